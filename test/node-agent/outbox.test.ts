import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createJournal, type Journal, type OutboxEntry } from '../../node-agent/journal.ts';
import { createOutbox } from '../../node-agent/outbox.ts';
import type { Log } from '../../protocol/daemon/log.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { waitFor } from '../support/wait.ts';

const id = (index: number) => ({ task_id: `t${index}`, attempt: 1 });
const entry = (index: number, text = `result ${index}`): OutboxEntry => ({
  report: {
    ...id(index),
    v: 1,
    node: 'walnut',
    instance_id: 'i1',
    kind: 'finished',
    outcome: 'completed',
    completeness: 'whole',
    run_ms: 1,
    warm: false,
  },
  text,
});
const count = (n: number): number[] => Array.from({ length: n }, (_, index) => index);

/** An outbox on a real journal, with a stream that the test opens and closes. */
async function outboxWith({ open = true }: { open?: boolean } = {}) {
  const path = join(await temporaryDirectory(), 'journal');
  const journal = createJournal(path);
  await journal.recover();
  const controller = new AbortController();
  onTestFinished(() => {
    controller.abort();
  });
  const events: string[] = [];
  const note = (event: string): void => {
    events.push(event);
  };
  const log: Log = { debug: note, info: note, warn: note, error: note, child: () => log };
  const stream = { open, sent: [] as string[], failing: new Set<string>(), trying: 0, most: 0 };
  const disk: { finish?: Journal['finish']; acknowledge?: Journal['acknowledge'] } = {};
  const acknowledged: string[] = [];
  const gates: (() => void)[] = [];
  const outbox = createOutbox({
    journal: {
      load: one => journal.load(one),
      finish: one => (disk.finish ?? journal.finish)(one),
      acknowledge: one => (disk.acknowledge ?? journal.acknowledge)(one),
    },
    reporter: {
      async finished({ report, text }, signal) {
        stream.trying += 1;
        stream.most = Math.max(stream.most, stream.trying);
        if (!stream.open)
          await new Promise<void>(resolve => {
            gates.push(resolve);
            signal.addEventListener('abort', () => {
              resolve();
            });
          });
        stream.trying -= 1;
        signal.throwIfAborted();
        if (stream.failing.delete(report.task_id)) throw new Error('no ack');
        stream.sent.push(`${report.task_id} ${text ?? report.error?.code ?? ''}`);
      },
    },
    damaged: one => {
      const { report } = entry(0);
      return {
        report: {
          ...report,
          ...one,
          outcome: 'failed',
          error: { code: 'agent_restarted', message: 'x', retryable: true },
        },
      };
    },
    onAcknowledged: one => {
      acknowledged.push(one.task_id);
    },
    onChange: () => undefined,
    handOver: work => {
      void work;
    },
    signal: controller.signal,
    log,
    disk_retry_ms: 5,
  });
  const release = (): void => {
    stream.open = true;
    for (const open of gates.splice(0)) open();
  };
  return { path, journal, outbox, stream, disk, events, acknowledged, release };
}

test('a result is on disk before it is sent, and leaves once the stream has it', async () => {
  const { outbox, path, stream, release, acknowledged } = await outboxWith({ open: false });
  await outbox.put(entry(1));
  expect(await readdir(join(path, 'outbox'))).toEqual(['t1.1']);
  expect(outbox.pending).toBe(1);
  expect(outbox.find(id(1))).toEqual(id(1));
  expect(stream.sent).toEqual([]);
  release();
  await outbox.flushed();
  expect(stream.sent).toEqual(['t1 result 1']);
  expect(acknowledged).toEqual(['t1']);
  expect(await readdir(join(path, 'outbox'))).toEqual([]);
  expect(outbox.find(id(1))).toBeUndefined();
});

test('of very many results only a few are sent at a time, and only those are in memory', async () => {
  const { outbox, journal, path, stream, release } = await outboxWith({ open: false });
  for (const index of count(50)) await journal.finish(entry(index));
  outbox.resume(count(50).map(id));
  for (const index of count(20)) await outbox.put(entry(50 + index));
  await waitFor(() => stream.trying === 8);
  expect(outbox.pending).toBe(70);
  // What waits is read when its turn comes: a change on disk meanwhile shows.
  await journal.finish(entry(49, 'changed'));
  release();
  await outbox.flushed();
  expect(stream.most).toBe(8);
  expect(new Set(stream.sent).size).toBe(70);
  expect(stream.sent).toContain('t49 changed');
  expect(await readdir(join(path, 'outbox'))).toEqual([]);
});

test('a result that the stream would not take keeps no other from it, and is tried again', async () => {
  const { outbox, stream, events } = await outboxWith();
  stream.failing.add('t1');
  await outbox.put(entry(1));
  await outbox.put(entry(2));
  await outbox.flushed();
  expect(stream.sent).toEqual(['t2 result 2', 't1 result 1']);
  expect(events).toContain('result_not_sent');
});

test('a result that turns out to be damaged on disk is reported as cut off', async () => {
  const { outbox, journal, path, stream, events } = await outboxWith();
  await journal.accept(id(1), 'one');
  await journal.finish(entry(1));
  await writeFile(join(path, 'outbox', 't1.1'), '{');
  outbox.resume([id(1)]);
  await outbox.flushed();
  expect(stream.sent).toEqual(['t1 agent_restarted']);
  expect(events).toContain('journal_damaged');
  expect(await readdir(join(path, 'outbox'))).toEqual(['t1.1.damaged']);
});

test('a result that no disk takes waits in memory until one does, and is sent meanwhile all the same', async () => {
  const { outbox, path, stream, disk, release, events } = await outboxWith({ open: false });
  let tries = 0;
  disk.finish = () => {
    tries += 1;
    return Promise.reject(new Error('ENOSPC'));
  };
  await outbox.put(entry(1));
  expect(outbox.unstored).toBe(1);
  await waitFor(() => tries > 3);
  delete disk.finish;
  await waitFor(() => outbox.unstored === 0);
  expect(await readdir(join(path, 'outbox'))).toEqual(['t1.1']);
  expect(events).toContain('result_stored');
  release();
  await outbox.flushed();
  expect(stream.sent).toEqual(['t1 result 1']);
});

test('a result that reaches the disk only after the stream had it does not stay there', async () => {
  const { outbox, journal, path, disk, release } = await outboxWith({ open: false });
  let writing = (): void => undefined;
  const second = new Promise<void>(resolve => {
    writing = resolve;
  });
  let finish = (): void => undefined;
  const gate = new Promise<void>(resolve => {
    finish = resolve;
  });
  disk.finish = () => {
    disk.finish = async one => {
      writing();
      await gate;
      await journal.finish(one);
    };
    return Promise.reject(new Error('ENOSPC'));
  };
  let acknowledgements = 0;
  disk.acknowledge = async one => {
    await journal.acknowledge(one);
    acknowledgements += 1;
  };
  await outbox.put(entry(1));
  await second;
  release();
  await outbox.flushed();
  finish();
  await waitFor(() => acknowledgements === 2);
  expect(await readdir(join(path, 'outbox'))).toEqual([]);
  expect((await journal.recover()).outbox).toEqual([]);
});

test('an acknowledgement that cannot be written is told, and the result counts as sent', async () => {
  const { outbox, disk, events, stream } = await outboxWith();
  disk.acknowledge = () => Promise.reject(new Error('EIO'));
  await outbox.put(entry(1));
  await outbox.flushed();
  expect(stream.sent).toEqual(['t1 result 1']);
  expect(events).toContain('acknowledgement_not_stored');
});
