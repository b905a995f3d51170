/**
 * What is told of one task, and who reads it. New pieces of the answer wait while even the foremost reader is far
 * behind, so that one who reads at all loses nothing; whoever is far behind that one is dropped.
 */
import { CcliError, type ErrorBody, toErrorBody } from '../../protocol/errors.ts';
import type { TaskStreamEvent } from '../../protocol/stream.ts';
import { createBell } from './bell.ts';
import { createEventLog, type LogLimits } from './event-log.ts';
import type { Position } from './position.ts';
import { createReaderPlace, type TaskEntry } from './reader-place.ts';
import type { State } from './task-states.ts';

export interface TaskLog {
  readonly readers: number;
  append(entry: TaskEntry): void;
  /** Resolves once a piece may be appended. */
  room(signal: AbortSignal): Promise<void> | undefined;
  /** Nothing more comes; readers are told so once they have read the rest, or at once. */
  close(error: ErrorBody, when: 'now' | 'after the rest'): void;
  /** @param now where the task stands, told first */
  read(
    after: Position | undefined,
    now: () => State,
    signal: AbortSignal,
  ): AsyncGenerator<TaskStreamEvent, void>;
}

interface TaskLogOptions {
  readonly limits: LogLimits;
  /** The last reader has left. */
  readonly onDeserted: () => void;
}

/** How long the foremost reader may take nothing before it is no longer waited for. */
const STALLED_MS = 5_000;

interface Reader {
  /** Index of the event it is given next. */
  cursor: number;
}

export function createTaskLog({ limits, onDeserted }: TaskLogOptions): TaskLog {
  const log = createEventLog<TaskEntry>(limits);
  const readers = new Set<Reader>();
  const moved = createBell();
  let foremost = 0;
  /** Where the foremost reader stood when it was given up. */
  let stalled_at: number | undefined;
  /** The result is there. */
  let complete = false;
  let closed: { readonly error: ErrorBody; readonly now: boolean } | undefined;

  const hasRoom = (): boolean => readers.size === 0 || foremost === stalled_at || !log.isOld(foremost);

  const enter = (): Reader => {
    const reader = { cursor: log.start };
    while (!complete && log.isOld(reader.cursor)) reader.cursor += 1;
    readers.add(reader);
    foremost = Math.max(foremost, reader.cursor);
    return reader;
  };

  const advance = (reader: Reader): void => {
    reader.cursor += 1;
    if (reader.cursor <= foremost) return;
    foremost = reader.cursor;
    moved.ring();
  };

  const leave = (reader: Reader): void => {
    readers.delete(reader);
    if (reader.cursor === foremost) {
      foremost = 0;
      for (const { cursor } of readers) foremost = Math.max(foremost, cursor);
      if (foremost < reader.cursor) moved.ring();
    }
    if (readers.size === 0) onDeserted();
  };

  const goodbye = (error: ErrorBody): TaskStreamEvent => ({ event: 'closed', error });

  return {
    get readers() {
      return readers.size;
    },
    append(entry) {
      if (entry.kind === 'result') complete = true;
      log.append(entry, sizeOf(entry));
    },
    room(signal) {
      if (hasRoom()) return undefined;
      return waitForRoom(signal);
    },
    close(error, when) {
      closed ??= { error, now: when === 'now' };
      log.bell.ring();
    },
    async *read(after, now, signal) {
      const reader = enter();
      try {
        const place = createReaderPlace(after);
        const joined = log.end;
        yield* place.take({ kind: 'state', state: now() });
        for (;;) {
          if (signal.aborted) return;
          if (closed?.now === true) {
            yield goodbye(closed.error);
            return;
          }
          if (reader.cursor < log.start) {
            yield goodbye(toErrorBody(new CcliError('slow_reader')));
            return;
          }
          const entry = log.at(reader.cursor);
          if (entry === undefined) {
            if (closed !== undefined) {
              yield goodbye(closed.error);
              return;
            }
            await log.bell.next({ signal });
            continue;
          }
          const past = entry.kind === 'state' && reader.cursor < joined;
          advance(reader);
          if (!past) yield* place.take(entry);
          if (entry.kind === 'result') return;
        }
      } finally {
        leave(reader);
      }
    },
  };

  async function waitForRoom(signal: AbortSignal): Promise<void> {
    while (!hasRoom() && !signal.aborted) {
      const before = foremost;
      await moved.next({ signal, limit_ms: STALLED_MS });
      if (foremost === before && readers.size > 0) stalled_at = foremost;
    }
  }
}

/** Of what a log may forget. The result is there once for all readers, and is the last. */
const sizeOf = (entry: TaskEntry): number =>
  ENTRY_BYTES + (entry.kind === 'chunk' || entry.kind === 'rest' ? 2 * entry.text.length : 0);

const ENTRY_BYTES = 200;
