/** Every task in memory, without its texts: what the planner and the readers look at. Fed by own writes and by the watch. */
import { WIRE_VERSION } from '../protocol/codec.ts';
import { isTerminal, queuedState, type TaskStatus } from '../protocol/task.ts';
import type { SessionFacts } from './core/choose.ts';
import { createSessionIndex } from './session-index.ts';
import type { StoreChange } from './store.ts';
import type { TaskEntry } from './task-entry.ts';

export interface Mirror {
  /** Older news than what is known changes nothing. */
  apply(change: StoreChange): void;
  /** These changes are all there is: what was known before is forgotten. */
  rebuild(changes: readonly StoreChange[]): void;
  /** The store holds no state of this task, not even one of an earlier task of its id. */
  noState(task_id: string): void;
  /** It was purged. A newer task of the same id stays. */
  forget(task_id: string, seq: number): void;
  /** Purged as well; see `orphans`. */
  forgetOrphan(task_id: string): void;
  get(task_id: string): TaskEntry | undefined;
  queued(): TaskEntry[];
  /** Assigned or running. */
  active(): TaskEntry[];
  all(): Iterable<TaskEntry>;
  /** Earlier tasks of the entry's session that are still known, oldest first. */
  session(entry: TaskEntry): readonly TaskEntry[];
  /** What the planner needs to know of them; undefined for a task that belongs to no session. */
  sessionFacts(entry: TaskEntry): SessionFacts | undefined;
  /** Ids of which there is a state or a cancel, and no request: purges that were interrupted. */
  orphans(): string[];
  counts(): Record<TaskStatus, number>;
  /** The highest revision ever applied, since the last `rebuild`. */
  newest(): number;
  /** Resolves when the task is terminal, after `limit_ms`, or when `signal` aborts, whichever is first. */
  ended(task_id: string, limit_ms: number, signal: AbortSignal): Promise<void>;
}

interface MirrorOptions {
  /** Milliseconds on a monotonic clock. */
  readonly clock: () => number;
  /** A task has become something else. */
  readonly onChange: (entry: TaskEntry) => void;
}

type Change<R extends StoreChange['record']> = Extract<StoreChange, { record: R }>;

interface Orphan {
  state?: Change<'state'>;
  cancel?: Change<'cancel'>;
}

const noCounts = (): Record<TaskStatus, number> => ({
  queued: 0,
  assigned: 0,
  running: 0,
  completed: 0,
  failed: 0,
  cancelled: 0,
});

export function createMirror({ clock, onChange }: MirrorOptions): Mirror {
  const entries = new Map<string, TaskEntry>();
  const orphans = new Map<string, Orphan>();
  const queued = new Set<TaskEntry>();
  const active = new Set<TaskEntry>();
  const sessions = createSessionIndex();
  const waiters = new Map<string, Set<() => void>>();
  let counts = noCounts();
  let newest = 0;

  const wake = (task_id: string): void => {
    for (const waiter of waiters.get(task_id) ?? []) waiter();
  };

  const file = (entry: TaskEntry): void => {
    const { status } = entry.state;
    counts[status] += 1;
    if (status === 'queued') queued.add(entry);
    else if (!isTerminal(status)) active.add(entry);
    else wake(entry.task_id);
    sessions.update(entry);
    onChange(entry);
  };

  const unfile = (entry: TaskEntry): void => {
    counts[entry.state.status] -= 1;
    queued.delete(entry);
    active.delete(entry);
  };

  const orphan = (task_id: string): Orphan => {
    const known = orphans.get(task_id) ?? {};
    orphans.set(task_id, known);
    return known;
  };

  const applyRequest = ({ request, revision, created_at_ms, age_ms = 0 }: Change<'request'>): void => {
    const { task_id, caller, options, prompt_bytes } = request;
    const before = entries.get(task_id);
    if (before?.seq === revision) before.created_at_ms = created_at_ms;
    if (before !== undefined && before.seq >= revision) return;
    if (before !== undefined) {
      unfile(before);
      sessions.remove(before);
    }
    const since_ms = clock() - age_ms;
    const entry: TaskEntry = {
      task_id,
      caller,
      options,
      prompt_bytes,
      seq: revision,
      created_at_ms,
      accepted_since_ms: since_ms,
      state: queuedState(task_id, WIRE_VERSION),
      state_revision: before?.state_revision ?? 0,
      cancel_requested: false,
      queued_since_ms: since_ms,
      not_before_ms: since_ms,
      ended_since_ms: undefined,
      waiting_for: undefined,
    };
    entries.set(task_id, entry);
    sessions.add(entry);
    file(entry);
    const earlier = orphans.get(task_id);
    orphans.delete(task_id);
    if (earlier?.state !== undefined) applyState(earlier.state);
    if (earlier?.cancel !== undefined) applyCancel(earlier.cancel);
  };

  const applyState = (change: Change<'state'>): void => {
    const { state, revision, age_ms = 0 } = change;
    const entry = entries.get(state.task_id);
    if (entry === undefined) {
      const own = orphan(state.task_id);
      if (revision > (own.state?.revision ?? 0)) own.state = change;
      return;
    }
    if (revision <= entry.state_revision) return;
    entry.state_revision = revision;
    if (revision < entry.seq) return;
    unfile(entry);
    const since_ms = clock() - age_ms;
    if (state.status === 'queued') {
      // A refusal, in which nothing ran, does not begin the wait anew.
      if (state.attempts.at(-1)?.refused !== true) entry.queued_since_ms = since_ms;
      entry.not_before_ms = since_ms + (state.retry_after_ms ?? 0);
    }
    if (isTerminal(state.status)) entry.ended_since_ms = since_ms;
    entry.state = state;
    entry.waiting_for = undefined;
    file(entry);
  };

  const applyCancel = (change: Change<'cancel'>): void => {
    const { cancel, revision } = change;
    const entry = entries.get(cancel.task_id);
    if (entry === undefined) {
      orphan(cancel.task_id).cancel = change;
      return;
    }
    if (entry.cancel_requested || revision < entry.seq) return;
    entry.cancel_requested = true;
    onChange(entry);
  };

  const apply = (change: StoreChange): void => {
    newest = Math.max(newest, change.revision);
    switch (change.record) {
      case 'request':
        applyRequest(change);
        return;
      case 'state':
        applyState(change);
        return;
      case 'cancel':
        applyCancel(change);
    }
  };

  return {
    apply,
    rebuild(changes) {
      for (const known of [entries, orphans, queued, active]) known.clear();
      sessions.clear();
      counts = noCounts();
      newest = 0;
      for (const change of changes) apply(change);
      for (const task_id of waiters.keys()) if (!entries.has(task_id)) wake(task_id);
    },
    noState(task_id) {
      const entry = entries.get(task_id);
      if (entry !== undefined && entry.state_revision < entry.seq) entry.state_revision = 0;
    },
    forget(task_id, seq) {
      const entry = entries.get(task_id);
      if (entry === undefined || entry.seq > seq) return;
      unfile(entry);
      sessions.remove(entry);
      entries.delete(task_id);
      wake(task_id);
    },
    forgetOrphan(task_id) {
      orphans.delete(task_id);
    },
    get: task_id => entries.get(task_id),
    queued: () => [...queued],
    active: () => [...active],
    all: () => entries.values(),
    session: entry => sessions.earlier(entry),
    sessionFacts: entry => sessions.facts(entry),
    orphans: () => [...orphans.keys()],
    counts: () => ({ ...counts }),
    newest: () => newest,
    ended(task_id, limit_ms, signal) {
      const entry = entries.get(task_id);
      if (entry === undefined || isTerminal(entry.state.status) || limit_ms <= 0 || signal.aborted) {
        return Promise.resolve();
      }
      return new Promise(resolve => {
        const own = waiters.get(task_id) ?? new Set();
        waiters.set(task_id, own);
        const done = (): void => {
          clearTimeout(timer);
          signal.removeEventListener('abort', done);
          own.delete(done);
          if (own.size === 0) waiters.delete(task_id);
          resolve();
        };
        const timer = setTimeout(done, limit_ms);
        signal.addEventListener('abort', done);
        own.add(done);
      });
    },
  };
}
