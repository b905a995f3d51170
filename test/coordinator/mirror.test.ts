import { describe, expect, test } from 'vitest';
import { createMirror } from '../../coordinator/mirror.ts';
import type { StoreChange } from '../../coordinator/store.ts';
import { queuedState, type TaskState, type TaskStatus } from '../../protocol/task.ts';

const NEVER = new AbortController().signal;
const LONG_MS = 60_000;

const request = (task_id: string, revision: number, age_ms?: number): StoreChange => ({
  record: 'request',
  request: { task_id, caller: 'local', prompt_bytes: 4, options: {} },
  revision,
  created_at_ms: 1_000,
  ...(age_ms !== undefined && { age_ms }),
});
const state = (
  task_id: string,
  status: TaskStatus,
  revision: number,
  { age_ms, ...more }: Partial<TaskState> & { age_ms?: number } = {},
): StoreChange => ({
  record: 'state',
  state: { ...queuedState(task_id, 1), status, ...more },
  revision,
  ...(age_ms !== undefined && { age_ms }),
});
const cancel = (task_id: string, revision = 8): StoreChange => ({
  record: 'cancel',
  cancel: { v: 1, task_id, caller: 'local' },
  revision,
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
    apply(state('a', 'running', 4), state('a', 'assigned', 3), request('a', 1));
    expect(mirror.get('a')).toMatchObject({ seq: 1, state_revision: 4, state: { status: 'running' } });
    expect(changes).toEqual(['a queued', 'a running']);
  });

  test('makes no task out of a state or a cancel alone', () => {
    const { mirror, apply } = mirrored();
    apply(state('ghost', 'running', 2), cancel('ghost'));
    expect(mirror.get('ghost')).toBeUndefined();
    expect(mirror.orphans()).toEqual(['ghost']);
  });

  test('counts waits, pauses and the time since the end from when they were stored', () => {
    const { mirror, apply, at } = mirrored();
    at(10_000);
    apply(request('a', 1, 4_000), state('a', 'queued', 2, { retry_after_ms: 3_000, age_ms: 1_000 }));
    expect(mirror.get('a')).toMatchObject({
      accepted_since_ms: 6_000,
      queued_since_ms: 9_000,
      not_before_ms: 12_000,
      ended_since_ms: undefined,
    });
    apply(state('a', 'failed', 3, { age_ms: 500 }));
    expect(mirror.get('a')).toMatchObject({ accepted_since_ms: 6_000, ended_since_ms: 9_500 });
  });

  test('forgets what was purged, and wakes whoever waits for it', async () => {
    const { mirror, apply, lists } = mirrored();
    apply(request('a', 1));
    const waiting = mirror.ended('a', LONG_MS, NEVER);
    mirror.forget('a', 1);
    await waiting;
    expect(mirror.get('a')).toBeUndefined();
    expect(lists()).toEqual({ queued: [], active: [] });
    expect(mirror.counts().queued).toBe(0);
  });

  test('is rebuilt as a whole: nothing of what it knew is left', async () => {
    const { mirror, apply, lists } = mirrored();
    apply(request('a', 100), state('a', 'running', 104), request('b', 101), cancel('ghost', 102));
    const waiting = mirror.ended('a', LONG_MS, NEVER);
    mirror.rebuild([request('b', 1), state('b', 'running', 2), request('c', 3)]);
    await waiting;
    expect(lists()).toEqual({ queued: ['c'], active: ['b'] });
    expect(mirror.get('a')).toBeUndefined();
    expect(mirror.get('b')).toMatchObject({ seq: 1, state_revision: 2 });
    expect(mirror.counts()).toMatchObject({ queued: 1, assigned: 0, running: 1 });
    expect(mirror.orphans()).toEqual([]);
    expect(mirror.newest()).toBe(3);
  });
});

describe('what is left of an earlier task of the same id', () => {
  test('counts as absent, but names the revision to compare with', () => {
    const { mirror, apply, lists } = mirrored();
    apply(cancel('a', 3), state('a', 'completed', 4), request('a', 9));
    expect(lists()).toEqual({ queued: ['a'], active: [] });
    expect(mirror.get('a')).toMatchObject({
      seq: 9,
      state: { status: 'queued', attempts: [] },
      state_revision: 4,
      cancel_requested: false,
      ended_since_ms: undefined,
    });
    expect(mirror.orphans()).toEqual([]);
    apply(state('a', 'assigned', 10));
    expect(mirror.get('a')).toMatchObject({ state: { status: 'assigned' }, state_revision: 10 });
  });

  test('is replaced by the task that was submitted anew', () => {
    const { mirror, apply, lists } = mirrored();
    apply(request('a', 1), cancel('a', 2), state('a', 'cancelled', 3), request('a', 9), request('a', 1));
    expect(lists()).toEqual({ queued: ['a'], active: [] });
    expect(mirror.get('a')).toMatchObject({ seq: 9, state_revision: 3, cancel_requested: false });
    expect(mirror.counts()).toMatchObject({ queued: 1, cancelled: 0 });
    mirror.forget('a', 1);
    expect(mirror.get('a')?.seq).toBe(9);
  });

  test('is no longer compared with once the purge has reached it', () => {
    const { mirror, apply } = mirrored();
    apply(state('a', 'completed', 4), request('a', 9));
    mirror.noState('a');
    expect(mirror.get('a')?.state_revision).toBe(0);
    apply(state('a', 'assigned', 10));
    mirror.noState('a');
    expect(mirror.get('a')?.state_revision).toBe(10);
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
