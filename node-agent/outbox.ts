/**
 * Finished results on their way to the report stream. Each is on disk before it is sent, and leaves only once the
 * stream has acknowledged it. A few are sent at a time, in no promised order; the others wait on disk, not in memory.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { errorFields, type Log } from '../protocol/daemon/log.ts';
import { type AttemptId, attemptKey, type Journal, type OutboxEntry } from './journal.ts';
import type { Reporter } from './reporter.ts';

export interface Outbox {
  /** Takes up what the last life left on disk. */
  resume(ids: readonly AttemptId[]): void;
  /** Resolves once the result is on disk; where the disk refuses it, it is kept in memory and tried again. */
  put(entry: OutboxEntry): Promise<void>;
  /** The attempt whose result waits; its `seq` only where this life has met it. */
  find(id: AttemptId): AttemptId | undefined;
  /** Results that the stream does not have yet. */
  readonly pending: number;
  /** Those of them that no disk has taken. */
  readonly unstored: number;
  /** Resolves when the stream has every result. */
  flushed(): Promise<void>;
}

interface OutboxOptions {
  readonly journal: Pick<Journal, 'finish' | 'load' | 'acknowledge'>;
  readonly reporter: Pick<Reporter, 'finished'>;
  /** What to report of an attempt whose result turned out to be damaged on disk. */
  readonly damaged: (id: AttemptId) => OutboxEntry;
  /** The stream has it. */
  readonly onAcknowledged: (id: AttemptId) => void;
  readonly onChange: () => void;
  readonly handOver: (work: Promise<unknown>) => void;
  readonly signal: AbortSignal;
  readonly log: Log;
  /** Between tries to write to the disk. */
  readonly disk_retry_ms?: number;
}

const PARALLEL = 8;
const RETRY_FROM_MS = 200;
const RETRY_TO_MS = 5_000;
const DISK_RETRY_MS = 1_000;

export function createOutbox(options: OutboxOptions): Outbox {
  const { journal, reporter, log, signal, handOver, disk_retry_ms = DISK_RETRY_MS } = options;
  const pending = new Map<string, AttemptId>();
  const unstored = new Map<string, OutboxEntry>();
  let queue: AttemptId[] = [];
  let active = 0;
  /** Sends in a row that failed: the stream is away, rather than one result wrong. */
  let failures = 0;
  let storing = false;
  const waiting: (() => void)[] = [];

  const note = (id: AttemptId): { task_id: string; attempt: number } => ({
    task_id: id.task_id,
    attempt: id.attempt,
  });

  const entryOf = async (id: AttemptId): Promise<OutboxEntry> => {
    const held = unstored.get(attemptKey(id));
    if (held !== undefined) return held;
    const loaded = await journal.load(id);
    if (loaded !== undefined) return loaded;
    log.error('journal_damaged', note(id));
    return options.damaged(id);
  };

  const settle = async (id: AttemptId): Promise<void> => {
    failures = 0;
    unstored.delete(attemptKey(id));
    options.onAcknowledged(id);
    try {
      await journal.acknowledge(id);
    } catch (error) {
      // The next life sends it once more, and the stream or the coordinator drops it.
      log.error('acknowledgement_not_stored', { ...note(id), ...errorFields(error) });
    }
    pending.delete(attemptKey(id));
    for (const wake of waiting.splice(0)) wake();
  };

  const send = async (id: AttemptId, fresh?: OutboxEntry): Promise<void> => {
    let seq: number | undefined;
    try {
      const entry = fresh ?? (await entryOf(id));
      ({ seq } = entry.report);
      await reporter.finished(entry, signal);
    } catch (error) {
      if (signal.aborted) return;
      failures += 1;
      const pause_ms = Math.min(RETRY_FROM_MS * 2 ** Math.min(failures, 10), RETRY_TO_MS);
      log.warn('result_not_sent', { ...note(id), pause_ms, ...errorFields(error) });
      queue.push(id);
      await delay(pause_ms, undefined, { signal }).catch(() => undefined);
      return;
    }
    await settle({ ...id, seq });
  };

  const begin = (id: AttemptId, fresh?: OutboxEntry): void => {
    active += 1;
    handOver(
      send(id, fresh).finally(() => {
        active -= 1;
        pump();
        options.onChange();
      }),
    );
  };

  const pump = (): void => {
    while (active < PARALLEL && !signal.aborted) {
      const next = queue.shift();
      if (next === undefined) return;
      begin(next);
    }
  };

  const storeLater = async (): Promise<void> => {
    if (storing) return;
    storing = true;
    try {
      while (unstored.size > 0) {
        await delay(disk_retry_ms, undefined, { signal });
        for (const [key, entry] of unstored) {
          await journal.finish(entry);
          // The stream may have had it meanwhile: then it must not stay behind.
          if (!unstored.delete(key)) await journal.acknowledge(entry.report);
          else log.info('result_stored', note(entry.report));
        }
      }
    } catch (error) {
      if (!signal.aborted) log.warn('result_still_not_stored', errorFields(error));
    } finally {
      storing = false;
      if (unstored.size > 0 && !signal.aborted) handOver(storeLater());
    }
  };

  return {
    get pending() {
      return pending.size;
    },
    get unstored() {
      return unstored.size;
    },
    find: id => pending.get(attemptKey(id)),
    resume(ids) {
      for (const id of ids) pending.set(attemptKey(id), id);
      queue = [...queue, ...ids];
      pump();
    },
    async put(entry) {
      const { task_id, attempt, seq } = entry.report;
      const id: AttemptId = { task_id, attempt, seq };
      pending.set(attemptKey(id), id);
      try {
        await journal.finish(entry);
      } catch (error) {
        log.error('result_not_stored', { ...note(id), ...errorFields(error) });
        unstored.set(attemptKey(id), entry);
        handOver(storeLater());
      }
      if (active < PARALLEL) begin(id, entry);
      else queue.push(id);
    },
    async flushed() {
      while (pending.size > 0)
        await new Promise<void>(resolve => {
          waiting.push(resolve);
        });
    },
  };
}
