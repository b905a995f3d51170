import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { countRuns, expectEndedOnce, killed, script, stage } from '../../support/stage.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

test('when the leader is killed another coordinator takes over, and what ran and what waited ends once', async () => {
  const fleet = await stage();
  const first = await fleet.coordinator();
  const before = await fleet.leads(first);
  const second = await fleet.coordinator();
  await fleet.node();
  const directory = await temporaryDirectory();
  const gate = join(directory, 'open');
  const tasks = ['one', 'two', 'three', 'four', 'five'];
  for (const task_id of tasks)
    await fleet.submit({ task_id, prompt: script({ say: task_id, gate, log: join(directory, task_id) }) });
  await fleet.reaches('one', 'running');
  await fleet.reaches('two', 'running');
  await killed(first.daemon);

  const after = await fleet.leads(second);
  expect(after).toMatchObject({ fleet_id: before.fleet_id, epoch: before.epoch + 1 });
  await fleet.submit({ task_id: 'six', prompt: script({ say: 'six', log: join(directory, 'six') }) });
  await writeFile(gate, '');
  for (const task_id of [...tasks, 'six']) {
    const state = await expectEndedOnce(fleet, task_id, { status: 'completed', text: task_id });
    expect(state.attempts).toHaveLength(1);
    expect(await countRuns(join(directory, task_id))).toBe(1);
  }
});

test('a leader that is stopped in good order gives the lease back, and a task it had placed ends once', async () => {
  const fleet = await stage();
  const first = await fleet.coordinator({ settings: { lease: '30s' } });
  await fleet.leads(first);
  const second = await fleet.coordinator({ settings: { lease: '30s' } });
  await fleet.node();
  const directory = await temporaryDirectory();
  const [log, gate] = [join(directory, 'log'), join(directory, 'open')];
  await fleet.submit({ task_id: 'placed', prompt: script({ say: 'done', gate, log }) });
  await fleet.reaches('placed', 'running');
  first.daemon.signal('SIGTERM');
  expect(await first.daemon.ended).toBe(0);
  await writeFile(gate, '');
  // By its age alone, nobody would take it over within the time a test waits.
  await fleet.leads(second);
  await expectEndedOnce(fleet, 'placed', { status: 'completed', text: 'done' });
  expect(await countRuns(log)).toBe(1);
});
