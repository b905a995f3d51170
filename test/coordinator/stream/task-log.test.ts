import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { TaskEntry } from '../../../coordinator/stream/reader-place.ts';
import { createTaskLog } from '../../../coordinator/stream/task-log.ts';
import type { State } from '../../../coordinator/stream/task-states.ts';
import { CcliError, toErrorBody } from '../../../protocol/errors.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const STATE: State = { event: 'state', task_id: 't', status: 'running', attempt: 1 };
const { signal } = new AbortController();
const chunk = (n: number): TaskEntry => ({ kind: 'chunk', attempt: 1, n, text: 'x'.repeat(1_000) });

function logOf(events: number) {
  let deserted = 0;
  const log = createTaskLog({
    limits: { bytes: 1_000_000, events },
    onDeserted: () => {
      deserted += 1;
    },
  });
  const read = () => log.read(undefined, () => STATE, signal);
  return { log, read, deserted: () => deserted };
}

describe('the log of a task', () => {
  test('has room until its foremost reader is far behind, and again once that one has read on', async () => {
    const { log, read } = logOf(10);
    const fast = read();
    const slow = read();
    await fast.next();
    await slow.next();
    for (let n = 0; n < 6; n += 1) {
      expect(log.room(signal)).toBeUndefined();
      log.append(chunk(n));
    }
    const room = log.room(signal);
    expect(room).toBeInstanceOf(Promise);
    await fast.next();
    await fast.next();
    await room;
    expect(log.room(signal)).toBeUndefined();
  });

  test('stops waiting for readers who take nothing for five seconds, and drops them', async () => {
    const { log, read, deserted } = logOf(10);
    const reader = read();
    await reader.next();
    for (let n = 0; n < 6; n += 1) log.append(chunk(n));
    const room = log.room(signal);
    await vi.advanceTimersByTimeAsync(5_000);
    await room;
    for (let n = 6; n < 12; n += 1) {
      expect(log.room(signal)).toBeUndefined();
      log.append(chunk(n));
    }
    expect((await reader.next()).value).toMatchObject({ event: 'closed', error: { code: 'slow_reader' } });
    expect((await reader.next()).done).toBe(true);
    expect(deserted()).toBe(1);
  });

  test('waits for the reader who is left when the foremost one leaves', async () => {
    const { log, read } = logOf(10);
    const fast = read();
    const slow = read();
    await fast.next();
    await slow.next();
    for (let n = 0; n < 6; n += 1) log.append(chunk(n));
    for (let n = 0; n < 6; n += 1) await fast.next();
    expect(log.room(signal)).toBeUndefined();
    await fast.return();
    expect(log.room(signal)).toBeInstanceOf(Promise);
  });

  test('lets a newcomer begin where the next event does not overtake it', async () => {
    const { log, read } = logOf(10);
    const fast = read();
    await fast.next();
    for (let n = 0; n < 20; n += 1) {
      log.append(chunk(n));
      await fast.next();
    }
    const late = read();
    await late.next();
    log.append(chunk(20));
    expect((await late.next()).value).toEqual({ event: 'gap', position: '1.15', attempt: 1, missing: 15 });
    expect((await late.next()).value).toMatchObject({ event: 'chunk', n: 15 });
  });

  test('tells of its failure after all that came before, and of a stop at once', async () => {
    const error = toErrorBody(new CcliError('nats_unreachable'));
    const failed = logOf(10);
    const patient = failed.read();
    await patient.next();
    failed.log.append(chunk(0));
    failed.log.close(error, 'after the rest');
    expect((await patient.next()).value).toMatchObject({ event: 'chunk' });
    expect((await patient.next()).value).toEqual({ event: 'closed', error });

    const stopped = logOf(10);
    const reader = stopped.read();
    await reader.next();
    stopped.log.append(chunk(0));
    stopped.log.close(error, 'now');
    expect((await reader.next()).value).toEqual({ event: 'closed', error });
  });
});
