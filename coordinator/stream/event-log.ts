/**
 * What has happened lately, once for all who follow it. A reader is an index into it and nothing else, so that a
 * thousand slow ones hold no memory; whoever is overtaken by the start has missed something.
 */
import { type Bell, createBell } from './bell.ts';

export interface LogLimits {
  readonly bytes: number;
  readonly events: number;
}

export interface EventLog<T> {
  /** Index of the oldest event that is kept; indexes are never used again. */
  readonly start: number;
  /** Index of the event that comes next. */
  readonly end: number;
  /** Drops the oldest to stay within the limits. The newest is kept whatever its size. */
  append(event: T, size_bytes: number): void;
  /** Undefined when it is gone, or still to come. */
  at(index: number): T | undefined;
  /** Whether it belongs to the older half of all that may be kept: what comes next may overtake it. */
  isOld(index: number): boolean;
  /** Rung by each append. */
  readonly bell: Bell;
}

interface Kept<T> {
  readonly event: T;
  /** Of all events ever appended before it. */
  readonly before_bytes: number;
}

export function createEventLog<T>(limits: LogLimits): EventLog<T> {
  const kept = new Map<number, Kept<T>>();
  const bell = createBell();
  let start = 0;
  let end = 0;
  let total_bytes = 0;

  /** Size of all events from this one on. */
  const bytesFrom = (index: number): number => {
    if (index >= end) return 0;
    return total_bytes - (kept.get(Math.max(index, start))?.before_bytes ?? total_bytes);
  };

  return {
    get start() {
      return start;
    },
    get end() {
      return end;
    },
    append(event, size_bytes) {
      kept.set(end, { event, before_bytes: total_bytes });
      end += 1;
      total_bytes += size_bytes;
      while (kept.size > 1 && (kept.size > limits.events || bytesFrom(start) > limits.bytes)) {
        kept.delete(start);
        start += 1;
      }
      bell.ring();
    },
    at: index => kept.get(index)?.event,
    isOld: index => bytesFrom(index) > limits.bytes / 2 || end - index > limits.events / 2,
    bell,
  };
}
