/** What a power cut leaves: the disk as it is at one moment, without anything that was only in memory. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { TaskView } from '../../protocol/operation.ts';
import { testDisk, whyNoDisk } from '../support/disk-image.ts';
import { callOperation } from '../support/fleet.ts';
import { natsIn } from '../support/nats-directory.ts';
import type { Verdict } from '../support/nats-proxy-link.ts';
import { countRuns, expectEndedOnce, killed, script, stage } from '../support/stage.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { waitFor } from '../support/wait.ts';

/** Whoever calls sync(2) on this machine meanwhile undoes the cut: then it is tried anew, from the beginning. */
const retry = { count: 3, condition: /this was no power cut/ };

/** Bounds that fit the disk. */
const settings = { store: { tasks: '64MiB', blobs: '128MiB', reports: '64MiB' } };

test('every task that was acknowledged is there after a power cut, with its answer, and those not ended go on', {
  retry,
}, async ({ skip }) => {
  const why = await whyNoDisk();
  if (why !== undefined) skip(why);
  const disk = await testDisk();
  const nats = await natsIn(disk.path);
  const fleet = await stage(nats);
  const coordinator = await fleet.coordinator({ settings });
  await fleet.node();
  const gate = join(await temporaryDirectory(), 'open');

  // One that has ended in each way, short ones and one that takes many messages.
  const long = 'a long answer '.repeat(60_000);
  const answered = ['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight'];
  for (const task_id of answered) await fleet.submit({ task_id, prompt: task_id });
  await fleet.submit({ task_id: 'long', prompt: long });
  await fleet.submit({ task_id: 'broken', prompt: script({ exit: 3 }), max_attempts: 1 });
  await fleet.submit({ task_id: 'dropped', prompt: script({ hang: true }) });
  await fleet.reaches('dropped', 'running');
  await callOperation(fleet.connection, 'cancel', { task_id: 'dropped' });
  const ended = [...answered, 'long', 'broken', 'dropped'];
  for (const task_id of ended) await fleet.ended(task_id);
  const view = async (task_id: string): Promise<Partial<TaskView>> => {
    // When it was created is for display: the first coordinator's clock said it, and the store says it to the next.
    const { created_at_ms: _, ...seen } = await callOperation(fleet.connection, 'get', { task_id });
    return seen;
  };
  const before = await Promise.all(ended.map(view));

  // Two run, and the others wait for them; the last acknowledgement is the moment of the cut.
  for (const task_id of ['running-1', 'running-2']) {
    await fleet.submit({ task_id, prompt: script({ say: task_id, gate }) });
    await fleet.reaches(task_id, 'running');
  }
  const waiting = ['queued-1', 'queued-2', 'queued-3'];
  for (const task_id of waiting) await fleet.submit({ task_id, prompt: task_id });
  coordinator.daemon.signal('SIGSTOP');
  nats.freeze();
  const after = await disk.cutPower();
  await Promise.all([nats.kill(), killed(coordinator.daemon)]);

  await natsIn(after.path, nats.port);
  await fleet.coordinator({ settings });
  expect(await waitFor(() => Promise.all(ended.map(view)))).toEqual(before);
  const stored = await callOperation(fleet.connection, 'list', {});
  expect(stored.tasks.map(task => task.task_id).sort()).toEqual(
    [...ended, 'running-1', 'running-2', ...waiting].sort(),
  );
  const reference = before.find(task => task.task_id === 'long')?.response_ref;
  const slices = await Promise.all(
    Array.from({ length: reference?.slices ?? 0 }, (_, index) =>
      callOperation(fleet.connection, 'download', { task_id: 'long', index }),
    ),
  );
  expect(Buffer.concat(slices.map(({ data }) => Buffer.from(data, 'base64'))).toString()).toBe(
    `echo: ${long}`,
  );

  // The node never lost its power: what it runs comes to its end.
  await writeFile(gate, '');
  for (const task_id of ['running-1', 'running-2'])
    await expectEndedOnce(fleet, task_id, { status: 'completed', text: task_id });
  for (const task_id of waiting)
    await expectEndedOnce(fleet, task_id, { status: 'completed', text: `echo: ${task_id}` });
});

test('a result that a node has begun to send is on its disk: after a power cut the node sends it again', {
  retry,
}, async ({ skip }) => {
  const why = await whyNoDisk();
  if (why !== undefined) skip(why);
  const disk = await testDisk();
  const fleet = await stage();
  await fleet.coordinator();
  const walnut = await fleet.node({ state_dir: join(disk.path, 'state') });
  const log = join(await temporaryDirectory(), 'log');
  let sent = (): void => undefined;
  const sending = new Promise<void>(resolve => {
    sent = resolve;
  });
  walnut.proxy.onPublish('ccli.node.walnut.report', {
    before: (frame): Verdict => {
      if (!frame.payload.includes('"finished"')) return 'forward';
      // The stream is out of reach from here on.
      walnut.daemon.signal('SIGSTOP');
      sent();
      return 'drop';
    },
  });
  await fleet.submit({ task_id: 'kept', prompt: script({ say: 'kept', log }), max_attempts: 1 });
  await sending;
  const after = await disk.cutPower();
  await killed(walnut.daemon);
  expect((await fleet.state('kept'))?.status).toBe('running');

  await fleet.node({ state_dir: join(after.path, 'state') });
  await expectEndedOnce(fleet, 'kept', { status: 'completed', text: 'kept' });
  expect(await countRuns(log)).toBe(1);
});

test('an attempt that a node has begun to accept is on its disk: after a power cut it is not run a second time', {
  retry,
}, async ({ skip }) => {
  const why = await whyNoDisk();
  if (why !== undefined) skip(why);
  const disk = await testDisk();
  const fleet = await stage();
  await fleet.coordinator();
  const walnut = await fleet.node({ state_dir: join(disk.path, 'state') });
  const directory = await temporaryDirectory();
  const log = join(directory, 'log');
  let sent = (): void => undefined;
  const sending = new Promise<void>(resolve => {
    sent = resolve;
  });
  walnut.proxy.onPublish('_INBOX.>', {
    before: (frame): Verdict => {
      if (!frame.payload.includes('"accepted"')) return 'forward';
      walnut.daemon.signal('SIGSTOP');
      sent();
      return 'drop';
    },
  });
  await fleet.submit({ task_id: 'begun', prompt: script({ hang: true, log }), max_attempts: 1 });
  await sending;
  const after = await disk.cutPower();
  await killed(walnut.daemon);

  await fleet.node({ state_dir: join(after.path, 'state') });
  const state = await expectEndedOnce(fleet, 'begun', { status: 'failed' });
  expect(state.error?.code).toBe('agent_restarted');
  expect(await countRuns(log)).toBeLessThan(2);
});
