import { join } from 'node:path';
import { expect, test } from 'vitest';
import { encode } from '../../../protocol/codec.ts';
import { TaskRequestSchema } from '../../../protocol/task.ts';
import { callOperation } from '../../support/fleet.ts';
import { countRuns, expectEndedOnce, killed, script, stage } from '../../support/stage.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { waitFor } from '../../support/wait.ts';

test('a leader that missed the news of a task finds it in the store, and runs it', async () => {
  const fleet = await stage();
  const leader = await fleet.coordinator();
  await fleet.leads(leader);
  await fleet.node();
  let missed = 0;
  leader.proxy.onMessage('$KV.ccli_tasks.missed.request', () => {
    missed += 1;
    return missed === 1 ? 'drop' : 'forward';
  });
  // As another coordinator does it.
  const prompt = 'hello';
  const request = {
    v: 1,
    task_id: 'missed',
    caller: 'local',
    prompt: { inline: prompt },
    prompt_bytes: prompt.length,
    options: {},
  };
  const tasks = await fleet.bucket('tasks');
  await tasks.create('missed.request', encode(TaskRequestSchema, request));
  await waitFor(() => missed >= 1);
  await expectEndedOnce(fleet, 'missed', { status: 'completed', text: 'echo: hello' });
});

test('a follower that missed what became of a task takes over, and repeats nothing', async () => {
  const fleet = await stage();
  const first = await fleet.coordinator();
  await fleet.leads(first);
  const second = await fleet.coordinator();
  await fleet.node();
  let missed = 0;
  second.proxy.onMessage('$KV.ccli_tasks.done.state', () => {
    missed += 1;
    return 'drop';
  });
  const log = join(await temporaryDirectory(), 'log');
  await fleet.submit({ task_id: 'done', prompt: script({ say: 'once', log }) });
  await fleet.ended('done');
  await waitFor(() => missed >= 1);
  await killed(first.daemon);
  await fleet.leads(second);
  await fleet.submit({ task_id: 'next', prompt: 'next' });
  await fleet.ended('next');
  await waitFor(async () => {
    const view = await callOperation(fleet.connection, 'get', { task_id: 'done' });
    return view.status === 'completed' && view.response === 'once';
  });
  const state = await expectEndedOnce(fleet, 'done', { status: 'completed', text: 'once' });
  expect(state.attempts).toHaveLength(1);
  expect(await countRuns(log)).toBe(1);
});
