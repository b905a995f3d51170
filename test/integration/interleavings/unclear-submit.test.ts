import { join } from 'node:path';
import { connect } from '@nats-io/transport-node';
import { expect, onTestFinished, test } from 'vitest';
import { callOperation } from '../../support/fleet.ts';
import { startNatsProxy } from '../../support/nats-proxy.ts';
import { countRuns, expectEndedOnce, killed, type Stage, script, stage } from '../../support/stage.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const requests = async (fleet: Stage): Promise<string[]> => {
  const keys: string[] = [];
  for await (const key of await (await fleet.bucket('tasks')).keys('*.request')) keys.push(key);
  return keys;
};

test('a submit whose answer was lost on the way is repeated with its key, and is one task', async () => {
  const fleet = await stage();
  await fleet.coordinator();
  await fleet.node();
  const log = join(await temporaryDirectory(), 'log');
  const proxy = await startNatsProxy(fleet.nats.port);
  onTestFinished(proxy.close);
  const caller = await connect({ servers: proxy.url, reconnectTimeWait: 50 });
  onTestFinished(() => caller.close());
  const request = { idempotency_key: 'k', prompt: script({ say: 'once', log }) };
  const answer = proxy.breakAt('answered', 'ccli.task.submit');
  const lost = callOperation(caller, 'submit', request).then(
    () => 'answered',
    () => 'lost',
  );
  await answer.reached;
  answer.resume('disconnect');
  expect(await lost).toBe('lost');
  const { task_id } = await callOperation(fleet.connection, 'submit', request);
  expect(await requests(fleet)).toEqual([`${task_id}.request`]);
  await expectEndedOnce(fleet, task_id, { status: 'completed', text: 'once' });
  expect(await countRuns(log)).toBe(1);
});

test('a submit that the store acknowledged to a line that had broken is answered with the task all the same', async () => {
  const fleet = await stage();
  const coordinator = await fleet.coordinator();
  await fleet.node();
  const log = join(await temporaryDirectory(), 'log');
  const request = { idempotency_key: 'k', prompt: script({ say: 'once', log }) };
  const written = coordinator.proxy.breakAt('answered', '$KV.ccli_tasks.*.request');
  const first = callOperation(fleet.connection, 'submit', request).then(
    task => task.task_id,
    () => undefined,
  );
  await written.reached;
  written.resume('disconnect');
  const told = await first;
  const { task_id } = await callOperation(fleet.connection, 'submit', request);
  expect([undefined, task_id]).toContain(told);
  expect(await requests(fleet)).toEqual([`${task_id}.request`]);
  await expectEndedOnce(fleet, task_id, { status: 'completed', text: 'once' });
  expect(await countRuns(log)).toBe(1);
});

test('a coordinator that dies between the write and its answer leaves a task that runs, and that a repeat finds', async () => {
  const fleet = await stage();
  const first = await fleet.coordinator();
  await fleet.node();
  const log = join(await temporaryDirectory(), 'log');
  const request = { idempotency_key: 'k', prompt: script({ say: 'once', log }) };
  const written = first.proxy.breakAt('answered', '$KV.ccli_tasks.*.request');
  const lost = callOperation(fleet.connection, 'submit', request).catch(() => 'lost');
  await written.reached;
  await killed(first.daemon);
  written.resume('disconnect');
  await fleet.coordinator();
  const { task_id } = await callOperation(fleet.connection, 'submit', request);
  expect(await requests(fleet)).toEqual([`${task_id}.request`]);
  await expectEndedOnce(fleet, task_id, { status: 'completed', text: 'once' });
  expect(await countRuns(log)).toBe(1);
  expect(await lost).toBe('lost');
});
