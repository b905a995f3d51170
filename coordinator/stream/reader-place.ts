/**
 * What one reader still has to be told of a task, given where it stands. Gaps and restarts are found by each reader for
 * itself, in the numbers of the chunks it gets: so they are right for whoever comes back, too. Pure.
 */
import type { TaskStreamEvent } from '../../protocol/stream.ts';
import { type Position, writePosition } from './position.ts';
import type { State } from './task-states.ts';

type Result = Extract<TaskStreamEvent, { event: 'result' }>['task'];

/** What is told of a task, once for all its readers. */
export type TaskEntry =
  | { readonly kind: 'state'; readonly state: State }
  | { readonly kind: 'chunk'; readonly attempt: number; readonly n: number; readonly text: string }
  /** A piece of what was no chunk when the answer was there; `from` is the number of the first such piece. */
  | {
      readonly kind: 'rest';
      readonly attempt: number;
      readonly n: number;
      readonly from: number;
      readonly text: string;
    }
  /** `n` chunks make up the answer; unless `complete`, some that nobody knows of are missing at their end. */
  | {
      readonly kind: 'result';
      readonly task: Result;
      readonly attempt: number;
      readonly n: number;
      readonly complete: boolean;
    };

/** Events that are the same for all readers are one object, so that a door encodes them once. */
const same = new WeakMap<TaskEntry, TaskStreamEvent & { readonly position: string }>();

function shared(entry: TaskEntry, event: TaskStreamEvent & { readonly position: string }): TaskStreamEvent {
  const known = same.get(entry);
  if (known?.position === event.position) return known;
  if (known === undefined) same.set(entry, event);
  return event;
}

export interface ReaderPlace {
  /** @returns what this reader is to be told */
  take(entry: TaskEntry): TaskStreamEvent[];
}

/** @param after where the reader says it stands; undefined for one that knows nothing yet */
export function createReaderPlace(after: Position | undefined): ReaderPlace {
  let wanted: Position = after ?? { attempt: 0, n: 0 };
  /** Something was told of the attempt, which a restart makes void. */
  let told = wanted.n > 0;
  /** Pieces that are numbered by how the rest was cut, which another coordinator may have done otherwise. */
  let doubtful = false;
  let in_rest = false;

  const place = () => ({ position: writePosition(wanted) });

  const moveTo = (attempt: number): TaskStreamEvent[] => {
    if (attempt <= wanted.attempt) return [];
    const restarts = told;
    wanted = { attempt, n: 0 };
    told = false;
    return restarts ? [{ event: 'restart', ...place(), attempt }] : [];
  };

  const missing = (upTo: number, count = upTo - wanted.n): TaskStreamEvent[] => {
    if (count <= 0) return [];
    wanted = { ...wanted, n: Math.max(upTo, wanted.n) };
    told = true;
    return [{ event: 'gap', ...place(), attempt: wanted.attempt, missing: count }];
  };

  const chunk = (entry: Extract<TaskEntry, { kind: 'chunk' | 'rest' }>): TaskStreamEvent[] => {
    const { attempt, n, text } = entry;
    const before = [...moveTo(attempt)];
    if (attempt < wanted.attempt || n < wanted.n) return before;
    before.push(...missing(n));
    wanted = { attempt, n: n + 1 };
    if (text === '') return before;
    told = true;
    return [...before, shared(entry, { event: 'chunk', ...place(), attempt, n, text })];
  };

  const end = (entry: Extract<TaskEntry, { kind: 'result' }>): TaskStreamEvent[] => {
    const { task, attempt, n, complete } = entry;
    const before = [...moveTo(attempt)];
    const upTo = attempt === wanted.attempt ? n : 0;
    const least = (complete && !doubtful) || wanted.attempt === 0 ? 0 : 1;
    before.push(...missing(upTo, Math.max(upTo - wanted.n, least)));
    return [...before, shared(entry, { event: 'result', ...place(), task })];
  };

  return {
    take(entry) {
      switch (entry.kind) {
        case 'state':
          return [{ ...entry.state, ...place() }];
        case 'chunk':
          return chunk(entry);
        case 'rest': {
          const knows = entry.attempt === wanted.attempt && wanted.n > entry.from;
          if (!in_rest && knows) doubtful = true;
          if (doubtful) return [];
          in_rest = true;
          return chunk(entry);
        }
        case 'result':
          return end(entry);
      }
    },
  };
}
