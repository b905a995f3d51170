/** Keeps the history of ended tasks within its bounds: the leader purges, everybody else only forgets. */
import { errorFields, type Log } from '../protocol/daemon/log.ts';
import { parseTaskKey } from '../protocol/subjects.ts';
import type { CoordinatorConfig } from './config.ts';
import { type EndedTask, toPurge } from './core/retention.ts';
import { removeLeftoverBlobs } from './leftover-blobs.ts';
import { lookUp } from './lookup.ts';
import type { Mirror } from './mirror.ts';
import type { Stores } from './provision.ts';
import { beginPurge } from './purge.ts';
import type { TaskStore } from './store.ts';
import type { StoreUsage } from './store-usage.ts';

export interface History {
  /** Does what is due; to be called every few seconds. One turn waits for the one before. */
  turn(): Promise<void>;
}

interface HistoryOptions {
  readonly stores: Stores;
  readonly store: TaskStore;
  readonly mirror: Mirror;
  readonly usage: StoreUsage;
  readonly limits: CoordinatorConfig['history'];
  /** Milliseconds on the mirror's clock. */
  readonly clock: () => number;
  /** How long ago something was stored, from the server's stamp on it. */
  readonly age: (stored_at_ms: number) => number;
  /** Asked again and again: whoever leads no longer leaves it to the one who does. */
  readonly leading: () => boolean;
  readonly log: Log;
}

/** Tasks a turn removes: the stores are read anew between two of them. */
const BATCH = 500;
const AT_ONCE = 16;
const SURVEY_EVERY_MS = 3_600_000;
const SURVEY_AGAIN_MS = 60_000;

export function createHistory(options: HistoryOptions): History {
  const { stores, store, mirror, usage, clock, age, leading, log } = options;
  const { max_age, max_tasks, min_age } = options.limits;
  const limits = { max_age_ms: max_age, max_tasks, min_age_ms: min_age };
  /** When everything stored is looked through again; a new leader does so at once. */
  let survey_due_ms = 0;

  const endedTasks = (): EndedTask[] => {
    const now = clock();
    const ended: EndedTask[] = [];
    for (const { task_id, seq, ended_since_ms } of mirror.all()) {
      if (ended_since_ms !== undefined) ended.push({ task_id, seq, ended_age_ms: now - ended_since_ms });
    }
    return ended;
  };

  const forget = ({ task_id, seq }: EndedTask): void => {
    store.forget(task_id);
    mirror.forget(task_id, seq);
  };

  const purge = async (due: readonly EndedTask[], orphans: readonly string[]): Promise<void> => {
    const run = await beginPurge(stores);
    let purged = 0;
    for (let at = 0; at < due.length; at += AT_ONCE) {
      if (!leading()) return;
      const gone = due.slice(at, at + AT_ONCE).map(async task => {
        if (!(await run.task(task.task_id, task.seq))) return;
        forget(task);
        purged += 1;
      });
      await Promise.all(gone);
    }
    for (const task_id of orphans) {
      if (!leading()) return;
      await run.remnants(task_id);
      mirror.forgetOrphan(task_id);
    }
    log.info('history_purged', { tasks: purged, orphans: orphans.length });
  };

  const learn = async (task_id: string): Promise<void> => {
    try {
      await lookUp(store, mirror, task_id);
    } catch (error) {
      log.error('task_unreadable', { task_id, ...errorFields(error) });
    }
  };

  /** Finds what neither the watch nor the mirror shows: left-over answers, and tasks that a follower has forgotten. */
  const survey = async (): Promise<void> => {
    const requests = new Set<string>();
    const others = new Set<string>();
    for await (const key of await store.keys()) {
      const parsed = parseTaskKey(key);
      if (parsed !== undefined) (parsed.record === 'request' ? requests : others).add(parsed.task_id);
    }
    for (const task_id of requests) if (leading()) await learn(task_id);
    const orphans = [...others].filter(task_id => !requests.has(task_id));
    if (orphans.length > 0) await purge([], orphans);
    if (!leading()) return;
    const objects = await removeLeftoverBlobs({ stores, mirror, age });
    if (objects > 0) log.info('left_over_objects_removed', { objects });
  };

  return {
    async turn() {
      const due = toPurge({ ended: endedTasks(), limits, used_share: usage.share(), batch: BATCH });
      if (!leading()) {
        survey_due_ms = 0;
        for (const task of due) forget(task);
        return;
      }
      try {
        const orphans = mirror.orphans();
        if (due.length > 0 || orphans.length > 0) await purge(due, orphans);
        if (clock() < survey_due_ms) return;
        survey_due_ms = clock() + SURVEY_AGAIN_MS;
        await survey();
        survey_due_ms = clock() + SURVEY_EVERY_MS;
      } catch (error) {
        // The next turn goes on where this one stopped.
        log.warn('history_not_purged', errorFields(error));
      }
    },
  };
}
