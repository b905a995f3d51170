import { describe, expect, test } from 'vitest';
import { createReaderPlace, type TaskEntry } from '../../../coordinator/stream/reader-place.ts';

const chunk = (attempt: number, n: number): TaskEntry => ({
  kind: 'chunk',
  attempt,
  n,
  text: `${attempt}${n}`,
});
const rest = (attempt: number, from: number, n: number): TaskEntry => ({
  kind: 'rest',
  attempt,
  from,
  n,
  text: 'r',
});
const task: Extract<TaskEntry, { kind: 'result' }>['task'] = {
  task_id: 't',
  status: 'completed',
  caller: 'c',
  prompt_bytes: 1,
  options: {},
  attempts: [],
  created_at_ms: 0,
  updated_at_ms: 0,
};
const result = (attempt: number, n: number, complete = true): TaskEntry => ({
  kind: 'result',
  task,
  attempt,
  n,
  complete,
});

/** Kind, position, and number or count of each event told. */
function told(after: { attempt: number; n: number } | undefined, ...entries: TaskEntry[]): string[] {
  const place = createReaderPlace(after);
  return entries
    .flatMap(entry => place.take(entry))
    .map(event => {
      const at = 'position' in event ? event.position : '';
      if (event.event === 'gap') return `gap of ${event.missing} -> ${at}`;
      if (event.event === 'chunk') return `chunk ${event.n} -> ${at}`;
      return `${event.event} -> ${at}`;
    });
}

describe('what a reader is told', () => {
  test('is everything, in order, when it knows nothing yet', () => {
    expect(told(undefined, chunk(1, 0), chunk(1, 1), result(1, 2))).toEqual([
      'chunk 0 -> 1.1',
      'chunk 1 -> 1.2',
      'result -> 1.2',
    ]);
  });

  test('is only what it has not seen, when it comes back', () => {
    expect(told({ attempt: 1, n: 1 }, chunk(1, 0), chunk(1, 1), result(1, 2))).toEqual([
      'chunk 1 -> 1.2',
      'result -> 1.2',
    ]);
  });

  test('is one gap for what is gone', () => {
    expect(told(undefined, chunk(1, 3), chunk(1, 4))).toEqual([
      'gap of 3 -> 1.3',
      'chunk 3 -> 1.4',
      'chunk 4 -> 1.5',
    ]);
    expect(told({ attempt: 1, n: 2 }, result(1, 5))).toEqual(['gap of 3 -> 1.5', 'result -> 1.5']);
  });

  test('is a restart before another attempt, if it has seen anything of the one before', () => {
    expect(told(undefined, chunk(1, 0), chunk(2, 0))).toEqual([
      'chunk 0 -> 1.1',
      'restart -> 2.0',
      'chunk 0 -> 2.1',
    ]);
    expect(told({ attempt: 1, n: 0 }, chunk(2, 0))).toEqual(['chunk 0 -> 2.1']);
    expect(told({ attempt: 1, n: 4 }, result(2, 3))).toEqual([
      'restart -> 2.0',
      'gap of 3 -> 2.3',
      'result -> 2.3',
    ]);
  });

  test('is a gap before a result whose end nobody knows', () => {
    expect(told(undefined, chunk(1, 0), result(1, 1, false))).toEqual([
      'chunk 0 -> 1.1',
      'gap of 1 -> 1.1',
      'result -> 1.1',
    ]);
    expect(told({ attempt: 1, n: 7 }, result(1, 0, false))).toEqual(['gap of 1 -> 1.7', 'result -> 1.7']);
  });

  test('says nothing of gaps when there was no attempt', () => {
    expect(told(undefined, result(0, 0))).toEqual(['result -> 0.0']);
  });

  test('has the rest of the answer as further chunks', () => {
    expect(told(undefined, chunk(1, 0), rest(1, 1, 1), rest(1, 1, 2), result(1, 1))).toEqual([
      'chunk 0 -> 1.1',
      'chunk 1 -> 1.2',
      'chunk 2 -> 1.3',
      'result -> 1.3',
    ]);
  });

  test('has no rest when it has seen more than is known here: it may have been cut elsewhere', () => {
    expect(told({ attempt: 1, n: 2 }, rest(1, 0, 0), rest(1, 0, 1), rest(1, 0, 2), result(1, 0))).toEqual([
      'gap of 1 -> 1.2',
      'result -> 1.2',
    ]);
  });

  test('leaves out empty chunks without taking them for lost', () => {
    const empty: TaskEntry = { kind: 'chunk', attempt: 1, n: 1, text: '' };
    expect(told(undefined, chunk(1, 0), empty, chunk(1, 2))).toEqual(['chunk 0 -> 1.1', 'chunk 2 -> 1.3']);
  });
});

test('readers who have come the same way are given the same events, so that a door encodes them once', () => {
  const entries = [chunk(1, 0), chunk(1, 1), rest(1, 2, 2), result(1, 3)];
  const events = () => {
    const place = createReaderPlace(undefined);
    return entries.flatMap(entry => place.take(entry));
  };
  const [one, two] = [events(), events()];
  expect(one).toHaveLength(4);
  for (const [index, event] of one.entries()) expect(two[index]).toBe(event);
});
