/**
 * Follows the tasks bucket into the mirror.
 *
 *     loading ──caught up──> following ──the watch lags or ends──> following on from the last revision seen
 *        ^                       │
 *        └── the store is another one, or an older copy of itself ──┘
 *
 * While loading nothing reaches the mirror; then it is rebuilt at once, so that nobody sees half of it.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { errorFields, type Log } from '../protocol/daemon/log.ts';
import { CcliError } from '../protocol/errors.ts';
import type { Mirror } from './mirror.ts';
import type { ServerClock } from './server-clock.ts';
import type { StoreChange, StoreIdentity, TaskStore, Watched } from './store.ts';

export interface StoreFollower {
  /** Resolves once everything stored has been seen. Follows until the signal aborts. @throws CcliError */
  start(): Promise<void>;
  /**
   * To be called every second or so, and after a reconnect: notices a store that went backwards or was replaced, and a
   * watch that tells nothing. Never throws: a store that cannot be asked now is asked again next time.
   */
  check(): Promise<void>;
  /**
   * Resolves once the mirror knows everything that was stored when this was called.
   *
   * @throws CcliError `store_unavailable` when that takes longer than `limit_ms`
   */
  syncTo(limit_ms?: number): Promise<void>;
  /** The highest revision the watch has brought. */
  readonly seen: number;
  /** False while the mirror is old, and about to be rebuilt. */
  readonly current: boolean;
}

interface FollowOptions {
  readonly store: TaskStore;
  readonly mirror: Mirror;
  readonly server_clock: ServerClock;
  /** Milliseconds on a monotonic clock. */
  readonly clock: () => number;
  readonly signal: AbortSignal;
  /** Gets the work that goes on in the background. */
  readonly handOver: (work: Promise<unknown>) => void;
  readonly log: Log;
}

/** A watch that has not moved for this long although there is something newer is made anew. */
const LAG_MS = 3_000;
const SYNC_LIMIT_MS = 10_000;
const SYNC_LOOK_MS = 20;
const SYNC_LOOK_AGAIN_MS = 500;
const AGAIN_FROM_MS = 100;
const AGAIN_TO_MS = 5_000;

/** One watch, from its beginning to its end. */
interface Run {
  readonly controller: AbortController;
  /** What has been seen while loading; undefined once the mirror has it. */
  loaded: StoreChange[] | undefined;
  failures: number;
}

export function createStoreFollower(options: FollowOptions): StoreFollower {
  const { store, mirror, server_clock, clock, signal, log } = options;
  let run: Run | undefined;
  let created: string | undefined;
  let seen = { revision: 0, created_at_ms: 0 };
  /** A newer revision than the watch has brought, and since when it has brought nothing. */
  let behind: { readonly target: number; readonly seen: number; readonly since_ms: number } | undefined;
  let missing = false;

  const finishLoading = (own: Run): void => {
    if (own.loaded === undefined) return;
    store.forgetAll();
    mirror.rebuild(own.loaded);
    own.loaded = undefined;
  };

  const take = (own: Run, watched: Watched): void => {
    const { change, key, revision, failure, created_at_ms } = watched;
    own.failures = 0;
    if (revision > seen.revision) seen = { revision, created_at_ms };
    if (failure !== undefined) log.error('record_unreadable', { key, ...errorFields(failure) });
    if (change !== undefined) {
      if (own.loaded !== undefined) own.loaded.push(change);
      else {
        if (change.record === 'request' && mirror.get(change.request.task_id)?.seq !== revision)
          store.forget(change.request.task_id);
        mirror.apply(change);
      }
    }
    if (watched.caught_up) finishLoading(own);
  };

  const begin = (from_revision: number | undefined): void => {
    run?.controller.abort();
    const own: Run = {
      controller: new AbortController(),
      loaded: from_revision === undefined ? [] : undefined,
      failures: 0,
    };
    if (from_revision === undefined) seen = { revision: 0, created_at_ms: 0 };
    behind = undefined;
    run = own;
    options.handOver(follow(own, from_revision));
  };

  /** Watches again and again, until the run is replaced or everything stops. */
  const follow = async (own: Run, from_revision: number | undefined): Promise<void> => {
    const ended = AbortSignal.any([signal, own.controller.signal]);
    const over = (): boolean => ended.aborted;
    let from = from_revision;
    while (!over()) {
      try {
        for await (const watched of store.watch(ended, from)) {
          if (over()) return;
          take(own, watched);
        }
        if (!over()) log.warn('watch_ended');
      } catch (error) {
        if (!over()) log.warn('watch_failed', errorFields(error));
      }
      if (own.loaded !== undefined) own.loaded = [];
      else from = seen.revision + 1;
      const pause_ms = Math.min(AGAIN_FROM_MS * 2 ** own.failures, AGAIN_TO_MS);
      own.failures += 1;
      await delay(pause_ms, undefined, { signal: ended }).catch(() => undefined);
    }
  };

  const syncTo = async (limit_ms = SYNC_LIMIT_MS): Promise<void> => {
    const end_ms = clock() + limit_ms;
    let target = await store.lastWatched();
    let look_again_ms = clock() + SYNC_LOOK_AGAIN_MS;
    for (;;) {
      // An empty store tells of nothing, not even that it is empty.
      if (run?.loaded !== undefined && seen.revision >= target) finishLoading(run);
      if (run?.loaded === undefined && seen.revision >= target) return;
      if (signal.aborted || clock() > end_ms)
        throw new CcliError('store_unavailable', 'The task store does not tell what it holds; try again.');
      await delay(SYNC_LOOK_MS);
      if (clock() < look_again_ms) continue;
      // What was newest may have been purged before the watch came to it.
      target = Math.min(target, await store.lastWatched());
      look_again_ms = clock() + SYNC_LOOK_AGAIN_MS;
    }
  };

  const reload = (identity: StoreIdentity, why: string): void => {
    log.error('store_went_backwards', { why, seen: seen.revision, last_seq: identity.last_seq });
    created = identity.created;
    begin(undefined);
  };

  /** Whether the message seen last is now another one: a copy was put in place and written to since. */
  const altered = async (): Promise<boolean> => {
    const last = seen;
    if (last.revision === 0) return false;
    const stored_at_ms = await store.storedAt(last.revision);
    // The watch tells nanoseconds in a number, which is not exact.
    return stored_at_ms !== undefined && Math.abs(stored_at_ms - last.created_at_ms) > 1;
  };

  const lookForLag = async (own: Run, last_seq: number): Promise<void> => {
    if (behind !== undefined && seen.revision >= behind.target) behind = undefined;
    if (own.loaded !== undefined) {
      // Nothing may be left to tell of: whatever was newest is seen, or was purged.
      if (seen.revision >= (await store.lastWatched())) finishLoading(own);
    }
    if (seen.revision >= last_seq) return;
    if (behind === undefined || behind.seen !== seen.revision) {
      const target = await store.lastWatched();
      behind = target > seen.revision ? { target, seen: seen.revision, since_ms: clock() } : undefined;
    } else if (clock() - behind.since_ms >= LAG_MS) {
      log.warn('watch_lags', { seen: seen.revision, target: behind.target });
      begin(own.loaded === undefined ? seen.revision + 1 : undefined);
    }
  };

  const check = async (): Promise<void> => {
    const own = run;
    if (own === undefined) return;
    // Before the store is asked: what is written meanwhile is newer than its answer.
    const known = own.loaded === undefined ? Math.max(seen.revision, mirror.newest()) : 0;
    const identity = await store.identity();
    if ((identity === undefined) !== missing) {
      missing = identity === undefined;
      log[missing ? 'error' : 'info'](missing ? 'store_missing' : 'store_is_back');
    }
    if (identity === undefined || run !== own) return;
    server_clock.set(identity.timestamp);
    if (identity.created !== created) reload(identity, 'it was made anew');
    else if (identity.last_seq < known) reload(identity, 'it holds less than was seen');
    else if (own.loaded === undefined && (await altered())) reload(identity, 'it holds something else');
    else await lookForLag(own, identity.last_seq);
  };

  return {
    get seen() {
      return seen.revision;
    },
    get current() {
      return run !== undefined && run.loaded === undefined;
    },
    async start() {
      const identity = await store.identity();
      if (identity === undefined)
        throw new CcliError('store_damaged', 'The stream of the tasks is not there.');
      created = identity.created;
      server_clock.set(identity.timestamp);
      begin(undefined);
      await syncTo(Number.POSITIVE_INFINITY);
    },
    async check() {
      try {
        await check();
      } catch (error) {
        log.debug('store_not_checked', errorFields(error));
      }
    },
    syncTo,
  };
}
