import { describe, expect, test } from 'vitest';
import { createMirror } from '../../coordinator/mirror.ts';
import type { StoreChange } from '../../coordinator/store.ts';
import { queuedState, type TaskState, type TaskStatus } from '../../protocol/task.ts';

const NEVER = new AbortController().signal;
const LONG_MS = 60_000;

const request = (task_id: string, revision: number): StoreChange => ({
  record: 'request',
  request: { v: 1, task_id, caller: 'local', prompt: { inline: '2+2?' }, prompt_bytes: 4, options: {} },
  revision,
  created_at_ms: 1_000,
});
const state = (
  task_id: string,
  status: TaskStatus,
  revision: number,
  more: Partial<TaskState> = {},
): StoreChange => ({ record: 'state', state: { ...queuedState(task_id, 1), status, ...more }, revision });
const cancel = (task_id: string): StoreChange => ({
  record: 'cancel',
  cancel: { v: 1, task_id, caller: 'local' },
});

function mirrored() {
  let now = 0;
  const changes: string[] = [];
  const mirror = createMirror({
    clock: () => now,
    onChange: entry => changes.push(`${entry.task_id} ${entry.state.status}`),
  });
  const apply = (...news: readonly StoreChange[]): void => {
    for (const change of news) mirror.apply(change);
  };
  const lists = (): Record<string, string[]> => ({
    queued: mirror.queued().map(({ task_id }) => task_id),
    active: mirror.active().map(({ task_id }) => task_id),
  });
  return {
    mirror,
    apply,
    changes,
    lists,
    at: (ms: number): void => {
      now = ms;
    },
  };
}

describe('the mirror', () => {
  test('shows a request without a state as queued, in order of arrival', () => {
    const { mirror, apply, lists } = mirrored();
    apply(request('a', 3), request('b', 5));
    expect(lists()).toEqual({ queued: ['a', 'b'], active: [] });
    expect(mirror.get('a')).toMatchObject({ seq: 3, state_revision: 0, caller: 'local', prompt_bytes: 4 });
  });

  test('keeps no prompt', () => {
    const { mirror, apply } = mirrored();
    apply(request('a', 1));
    expect(JSON.stringify(mirror.get('a'))).not.toContain('2+2?');
  });

  test('moves a task from list to list and counts it once', () => {
    const { mirror, apply, lists, changes } = mirrored();
    apply(request('a', 1), state('a', 'assigned', 2));
    expect(lists()).toEqual({ queued: [], active: ['a'] });
    apply(state('a', 'running', 3));
    expect(lists()).toEqual({ queued: [], active: ['a'] });
    apply(state('a', 'queued', 4));
    expect(lists()).toEqual({ queued: ['a'], active: [] });
    apply(state('a', 'completed', 5));
    expect(lists()).toEqual({ queued: [], active: [] });
    expect(mirror.counts()).toEqual({
      queued: 0,
      assigned: 0,
      running: 0,
      completed: 1,
      failed: 0,
      cancelled: 0,
    });
    expect([...mirror.all()]).toHaveLength(1);
    expect(changes).toEqual(['a queued', 'a assigned', 'a running', 'a queued', 'a completed']);
  });

  test('is not moved by news it has had, or that something newer has overtaken', () => {
    const { mirror, apply, changes } = mirrored();
    apply(request('a', 1), state('a', 'running', 4));
    apply(state('a', 'running', 4), state('a', 'assigned', 3), request('a', 9));
    expect(mirror.get('a')).toMatchObject({ seq: 1, state_revision: 4, state: { status: 'running' } });
    expect(changes).toEqual(['a queued', 'a running']);
  });

  test('makes no task out of a state or a cancel alone', () => {
    const { mirror, apply } = mirrored();
    apply(state('ghost', 'running', 2), cancel('ghost'));
    expect(mirror.get('ghost')).toBeUndefined();
  });

  test('remembers a cancel, and tells of it once', () => {
    const { mirror, apply, changes } = mirrored();
    apply(request('a', 1), cancel('a'), cancel('a'));
    expect(mirror.get('a')?.cancel_requested).toBe(true);
    expect(changes).toEqual(['a queued', 'a queued']);
  });

  test('counts the pause of a task queued again from when it is read', () => {
    const { mirror, apply, at } = mirrored();
    apply(request('a', 1), state('a', 'running', 2));
    at(5_000);
    apply(state('a', 'queued', 3, { retry_after_ms: 250 }));
    expect(mirror.get('a')).toMatchObject({ queued_since_ms: 5_000, not_before_ms: 5_250 });
  });
});

describe('waiting for the end of a task', () => {
  test.each(['completed', 'failed', 'cancelled'] as const)('is over when the task is %s', async status => {
    const { mirror, apply } = mirrored();
    apply(request('a', 1), state('a', 'running', 2));
    const ended = Promise.all([mirror.ended('a', LONG_MS, NEVER), mirror.ended('a', LONG_MS, NEVER)]);
    apply(state('a', 'queued', 3), state('a', status, 4));
    await ended;
    expect(mirror.get('a')?.state.status).toBe(status);
  });

  test('is over at once when there is nothing to wait for', async () => {
    const { mirror, apply } = mirrored();
    apply(request('a', 1), request('b', 2), state('b', 'completed', 3));
    const gone = AbortSignal.abort();
    await mirror.ended('unknown', LONG_MS, NEVER);
    await mirror.ended('b', LONG_MS, NEVER);
    await mirror.ended('a', 0, NEVER);
    await mirror.ended('a', LONG_MS, gone);
    expect(mirror.get('a')?.state.status).toBe('queued');
  });

  test('is over when the caller goes, or the limit has come', async () => {
    const { mirror, apply } = mirrored();
    apply(request('a', 1));
    const caller = new AbortController();
    const left = mirror.ended('a', LONG_MS, caller.signal);
    caller.abort();
    await left;
    await mirror.ended('a', 1, NEVER);
    expect(mirror.get('a')?.state.status).toBe('queued');
  });
});
