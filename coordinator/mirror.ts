/** Every task in memory, without its texts: what the planner and the readers look at. Fed by own writes and by the watch. */
import { WIRE_VERSION } from '../protocol/codec.ts';
import {
  isTerminal,
  queuedState,
  type TaskOptions,
  type TaskState,
  type TaskStatus,
} from '../protocol/task.ts';
import type { StoreChange } from './store.ts';

export interface TaskEntry {
  readonly task_id: string;
  readonly caller: string;
  readonly options: TaskOptions;
  readonly prompt_bytes: number;
  /** Revision of the request: order of arrival. */
  readonly seq: number;
  readonly created_at_ms: number;
  state: TaskState;
  /** 0 while there is a request and nothing else. */
  state_revision: number;
  cancel_requested: boolean;
  /** On this coordinator's monotonic clock. */
  queued_since_ms: number;
  not_before_ms: number;
  waiting_for: string | undefined;
}

export interface Mirror {
  /** Older news than what is known changes nothing. */
  apply(change: StoreChange): void;
  get(task_id: string): TaskEntry | undefined;
  queued(): TaskEntry[];
  /** Assigned or running. */
  active(): TaskEntry[];
  all(): Iterable<TaskEntry>;
  counts(): Record<TaskStatus, number>;
  /** Resolves when the task is terminal, after `limit_ms`, or when `signal` aborts, whichever is first. */
  ended(task_id: string, limit_ms: number, signal: AbortSignal): Promise<void>;
}

interface MirrorOptions {
  /** Milliseconds on a monotonic clock. */
  readonly clock: () => number;
  /** A task has become something else. */
  readonly onChange: (entry: TaskEntry) => void;
}

export function createMirror({ clock, onChange }: MirrorOptions): Mirror {
  const entries = new Map<string, TaskEntry>();
  const queued = new Set<TaskEntry>();
  const active = new Set<TaskEntry>();
  const counts: Record<TaskStatus, number> = {
    queued: 0,
    assigned: 0,
    running: 0,
    completed: 0,
    failed: 0,
    cancelled: 0,
  };
  const waiters = new Map<string, Set<() => void>>();

  const file = (entry: TaskEntry): void => {
    const { status } = entry.state;
    counts[status] += 1;
    if (status === 'queued') queued.add(entry);
    else if (!isTerminal(status)) active.add(entry);
    else for (const wake of waiters.get(entry.task_id) ?? []) wake();
    onChange(entry);
  };

  const unfile = (entry: TaskEntry): void => {
    counts[entry.state.status] -= 1;
    queued.delete(entry);
    active.delete(entry);
  };

  const applyState = (state: TaskState, revision: number): void => {
    const entry = entries.get(state.task_id);
    if (entry === undefined || revision <= entry.state_revision) return;
    unfile(entry);
    const now = clock();
    if (state.status === 'queued') {
      entry.queued_since_ms = now;
      entry.not_before_ms = now + (state.retry_after_ms ?? 0);
    }
    entry.state = state;
    entry.state_revision = revision;
    entry.waiting_for = undefined;
    file(entry);
  };

  return {
    apply(change) {
      switch (change.record) {
        case 'request': {
          const { request, revision, created_at_ms } = change;
          if (entries.has(request.task_id)) return;
          const { task_id, caller, options, prompt_bytes } = request;
          const now = clock();
          const entry: TaskEntry = {
            task_id,
            caller,
            options,
            prompt_bytes,
            seq: revision,
            created_at_ms,
            state: queuedState(task_id, WIRE_VERSION),
            state_revision: 0,
            cancel_requested: false,
            queued_since_ms: now,
            not_before_ms: now,
            waiting_for: undefined,
          };
          entries.set(task_id, entry);
          file(entry);
          return;
        }
        case 'state':
          applyState(change.state, change.revision);
          return;
        case 'cancel': {
          const entry = entries.get(change.cancel.task_id);
          if (entry === undefined || entry.cancel_requested) return;
          entry.cancel_requested = true;
          onChange(entry);
        }
      }
    },
    get: task_id => entries.get(task_id),
    queued: () => [...queued],
    active: () => [...active],
    all: () => entries.values(),
    counts: () => ({ ...counts }),
    ended(task_id, limit_ms, signal) {
      const entry = entries.get(task_id);
      if (entry === undefined || isTerminal(entry.state.status) || limit_ms <= 0 || signal.aborted) {
        return Promise.resolve();
      }
      return new Promise(resolve => {
        const own = waiters.get(task_id) ?? new Set();
        waiters.set(task_id, own);
        const wake = (): void => {
          clearTimeout(timer);
          signal.removeEventListener('abort', wake);
          own.delete(wake);
          if (own.size === 0) waiters.delete(task_id);
          resolve();
        };
        const timer = setTimeout(wake, limit_ms);
        signal.addEventListener('abort', wake);
        own.add(wake);
      });
    },
  };
}
