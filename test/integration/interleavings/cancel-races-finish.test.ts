import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { encode } from '../../../protocol/codec.ts';
import { type TaskState, TaskStateSchema, transition } from '../../../protocol/task.ts';
import { callOperation } from '../../support/fleet.ts';
import { expectEndedOnce, type Stage, script, stage } from '../../support/stage.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { waitFor } from '../../support/wait.ts';

/** Writes a state as another leader would: by compare-and-set on what the store holds. */
async function overtake(
  fleet: Stage,
  task_id: string,
  step: (state: TaskState) => Parameters<typeof transition>[1],
): Promise<void> {
  const tasks = await fleet.bucket('tasks');
  const entry = await tasks.get(`${task_id}.state`);
  const state = await fleet.state(task_id);
  if (entry === null || state === undefined) throw new Error(`${task_id} has no state`);
  const next = transition(state, step(state), 1);
  if (!next.ok) throw new Error(next.reason);
  await tasks.update(`${task_id}.state`, encode(TaskStateSchema, next.state), entry.revision);
}

test('a cancel that finds the attempt finished leaves the end to its report', async () => {
  const fleet = await stage();
  await fleet.coordinator();
  const walnut = await fleet.node();
  const gate = join(await temporaryDirectory(), 'open');
  let answered = false;
  let swallowed = false;
  walnut.proxy.onPublish('_INBOX.>', {
    before: frame => {
      answered ||= frame.payload.includes('"answer":"finished"');
      return 'forward';
    },
  });
  walnut.proxy.onPublish('ccli.node.walnut.report', {
    before: frame => {
      if (answered || !frame.payload.includes('"finished"')) return 'forward';
      swallowed = true;
      return 'drop';
    },
  });
  await fleet.submit({ task_id: 'raced', prompt: script({ say: 'done', gate }) });
  await fleet.reaches('raced', 'running');
  await writeFile(gate, '');
  await waitFor(() => swallowed);
  const cancelled = await callOperation(fleet.connection, 'cancel', { task_id: 'raced' });
  expect(answered).toBe(true);
  await expectEndedOnce(fleet, 'raced', { status: 'completed', text: 'done' });
  // Whoever lost the race tells how it ended.
  expect(['running', 'completed']).toContain(cancelled.status);
  expect(await callOperation(fleet.connection, 'cancel', { task_id: 'raced' })).toMatchObject({
    status: 'completed',
    response: 'done',
  });
});

test('an end that is written while another one is on its way stands, and the other changes nothing', async () => {
  const fleet = await stage();
  const leader = await fleet.coordinator();
  await fleet.node();
  const gate = join(await temporaryDirectory(), 'open');
  await fleet.submit({ task_id: 'raced', prompt: script({ say: 'done', gate }) });
  await fleet.reaches('raced', 'running');
  const write = leader.proxy.breakAt('before', '$KV.ccli_tasks.raced.state');
  await writeFile(gate, '');
  expect((await write.reached).payload.toString()).toContain('"completed"');
  await overtake(fleet, 'raced', () => ({ step: 'cancel', stop_confirmed: true }));
  write.resume('forward');
  await expectEndedOnce(fleet, 'raced', { status: 'cancelled' });
  const view = await callOperation(fleet.connection, 'get', { task_id: 'raced' });
  expect(view).toMatchObject({ status: 'cancelled', stop_confirmed: true });
  expect(view.response).toBeUndefined();
});

test('a cancel whose write comes second answers with the end that stands', async () => {
  const fleet = await stage();
  const leader = await fleet.coordinator();
  await fleet.node();
  await fleet.submit({ task_id: 'raced', prompt: script({ hang: true }) });
  await fleet.reaches('raced', 'running');
  const write = leader.proxy.breakAt('before', '$KV.ccli_tasks.raced.state');
  const cancel = callOperation(fleet.connection, 'cancel', { task_id: 'raced' });
  expect((await write.reached).payload.toString()).toContain('"cancelled"');
  const error = { code: 'task_timeout', message: 'It took too long.', retryable: false } as const;
  await overtake(fleet, 'raced', () => ({ step: 'fail', attempt: 1, error, partial: false }));
  write.resume('forward');
  expect(await cancel).toMatchObject({ status: 'failed', error: { code: 'task_timeout' } });
  await expectEndedOnce(fleet, 'raced', { status: 'failed' });
});
