import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { createEventLog } from '../../../coordinator/stream/event-log.ts';

/** What was made in this turn is held until its end. */
async function collectGarbage(): Promise<void> {
  setFlagsFromString('--expose-gc');
  await turn();
  runInNewContext('gc()');
}

describe('the event log', () => {
  test('keeps as many events, and as many bytes of them, as it may', () => {
    const log = createEventLog<number>({ bytes: 1_000, events: 5 });
    for (let n = 0; n < 20; n += 1) log.append(n, 10);
    expect([log.start, log.end]).toEqual([15, 20]);
    expect([log.at(14), log.at(15), log.at(19), log.at(20)]).toEqual([undefined, 15, 19, undefined]);
    log.append(20, 980);
    expect([log.start, log.end]).toEqual([18, 21]);
  });

  test('keeps the newest whatever its size', () => {
    const log = createEventLog<string>({ bytes: 10, events: 5 });
    log.append('small', 5);
    log.append('large', 1_000);
    expect([log.start, log.at(1)]).toEqual([1, 'large']);
  });

  test('knows which events go next', () => {
    const log = createEventLog<number>({ bytes: 1_000, events: 8 });
    for (let n = 0; n < 8; n += 1) log.append(n, 1);
    expect([3, 4, 8].map(index => log.isOld(index))).toEqual([true, false, false]);
  });

  test('lets go of what it drops, whoever still stands there', async () => {
    const log = createEventLog<{ n: number }>({ bytes: 100_000, events: 1_000 });
    const first = append(0);
    const readers = Array.from({ length: 1_000 }, () => ({ cursor: log.start }));
    for (let n = 1; n < 10_000; n += 1) append(n);
    const last = append(10_000);
    await collectGarbage();
    expect(first.deref()).toBeUndefined();
    expect(last.deref()).toEqual({ n: 10_000 });
    expect(readers.every(({ cursor }) => log.at(cursor) === undefined)).toBe(true);

    function append(n: number): WeakRef<{ n: number }> {
      const event = { n };
      log.append(event, 200);
      return new WeakRef(event);
    }
  });

  test('wakes all who wait with one append', async () => {
    const log = createEventLog<number>({ bytes: 1_000, events: 10 });
    const waiting = Array.from({ length: 1_000 }, () => log.bell.next());
    log.append(1, 1);
    await Promise.all(waiting);
  });
});
