import { describe, expect, test } from 'vitest';
import { listTasks } from '../../coordinator/list-tasks.ts';
import type { TaskEntry } from '../../coordinator/task-entry.ts';
import type { ListRequest } from '../../protocol/operation.ts';
import { type Attempt, queuedState, type TaskState } from '../../protocol/task.ts';

type Given = Partial<Pick<TaskEntry, 'caller' | 'options'>> & Partial<Pick<TaskState, 'status' | 'attempts'>>;

const attempt = (node: string, agent_id: string, number = 1): Attempt => ({
  node,
  agent_id,
  instance_id: 'i',
  epoch: 1,
  attempt: number,
  started: true,
});

function entry(seq: number, { caller = 'ann', options = {}, ...state }: Given = {}): TaskEntry {
  const task_id = `t${seq}`;
  return {
    task_id,
    caller,
    options,
    prompt_bytes: 4,
    seq,
    created_at_ms: seq,
    accepted_since_ms: 0,
    ended_since_ms: undefined,
    state: { ...queuedState(task_id, 1), ...state },
    state_revision: 1,
    cancel_requested: false,
    queued_since_ms: 0,
    not_before_ms: 0,
    waiting_for: undefined,
  };
}

const ids = (tasks: readonly TaskEntry[], request: ListRequest): string[] =>
  listTasks(tasks, request).tasks.map(({ task_id }) => task_id);

describe('a page of tasks', () => {
  /** In an order that no store would have. */
  const tasks = Array.from({ length: 100 }, (_, index) => entry(((index * 37) % 100) + 1));

  test('has the newest first, whatever the order in which they are kept', () => {
    expect(ids(tasks, { limit: 3 })).toEqual(['t100', 't99', 't98']);
    expect(ids(tasks, {})).toHaveLength(50);
    expect(ids([], {})).toEqual([]);
  });

  test('goes on where the one before has ended, until there is no more', () => {
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = listTasks(tasks, { limit: 30, ...(cursor !== undefined && { cursor }) });
      seen.push(...page.tasks.map(({ task_id }) => task_id));
      cursor = page.next_cursor;
    } while (cursor !== undefined);
    expect(seen).toEqual(Array.from({ length: 100 }, (_, index) => `t${100 - index}`));
    expect(listTasks(tasks, { limit: 100 }).next_cursor).toBeUndefined();
    expect(listTasks(tasks, { limit: 99 }).next_cursor).toBe('2');
  });

  test.each(['x', '', '-1', '1.5', '0x10'])('begins at no cursor such as "%s"', cursor => {
    expect(() => listTasks(tasks, { cursor })).toThrow(
      expect.objectContaining({ code: 'invalid_request' }) as Error,
    );
  });
});

describe('a list of tasks', () => {
  const tasks = [
    entry(1, { status: 'completed', attempts: [attempt('walnut', 'one')] }),
    entry(2, { status: 'failed', attempts: [attempt('walnut', 'one'), attempt('ash', 'two', 2)] }),
    entry(3, { status: 'running', attempts: [attempt('ash', 'one')], caller: 'bob' }),
    entry(4, { options: { session_id: 's', group: 'g' } }),
    entry(5, { status: 'cancelled', options: { retry_of: 't1', session_id: 's' }, caller: 'bob' }),
  ];

  test.each<[ListRequest, string[]]>([
    [{ status: 'queued' }, ['t4']],
    [{ status: ['failed', 'cancelled'] }, ['t5', 't2']],
    [{ agent_id: 'one' }, ['t3', 't1']],
    [{ node: 'ash' }, ['t3', 't2']],
    [{ agent_id: 'one', node: 'ash' }, ['t3']],
    [{ caller: 'bob' }, ['t5', 't3']],
    [{ group: 'g' }, ['t4']],
    [{ session_id: 's' }, ['t5', 't4']],
    [{ retry_of: 't1' }, ['t5']],
    [{ retry_of: 't1', caller: 'ann' }, []],
  ])('has those that are as %o says', (request, expected) => {
    expect(ids(tasks, request)).toEqual(expected);
  });

  test('pages through those that match', () => {
    const first = listTasks(tasks, { caller: 'bob', limit: 1 });
    expect(first.next_cursor).toBe('5');
    expect(listTasks(tasks, { caller: 'bob', limit: 1, cursor: '5' })).toMatchObject({
      tasks: [{ task_id: 't3' }],
    });
  });
});
