/**
 * What a node remembers of attempts that are over, so that asking for one again starts nothing. Memory and disk hold
 * the same, and both are bounded: the oldest go.
 */
import { type AttemptId, attemptKey, KEEP_PAST, type PastPhase } from './journal.ts';

export interface Past {
  /** Each phase with the oldest first. */
  restore(past: Readonly<Record<PastPhase, readonly AttemptId[]>>): void;
  remember(phase: PastPhase, id: AttemptId): void;
  phaseOf(id: AttemptId): PastPhase | undefined;
  /** What is remembered of it in this phase; its `seq` only where this life has met it. */
  find(phase: PastPhase, id: AttemptId): AttemptId | undefined;
  /** In memory alone. */
  drop(phase: PastPhase, id: AttemptId): void;
  clear(): void;
}

interface PastOptions {
  readonly keep?: number;
  /** Removes the mark on disk. */
  readonly forget: (phase: PastPhase, id: AttemptId) => void;
}

export function createPast({ keep = KEEP_PAST, forget }: PastOptions): Past {
  const phases: Readonly<Record<PastPhase, Map<string, AttemptId>>> = { done: new Map(), refused: new Map() };

  return {
    restore(past) {
      for (const phase of ['done', 'refused'] as const)
        for (const id of past[phase]) phases[phase].set(attemptKey(id), id);
    },
    remember(phase, { task_id, attempt, seq }) {
      const id = { task_id, attempt, seq };
      const known = phases[phase];
      known.set(attemptKey(id), id);
      for (const [key, oldest] of known) {
        if (known.size <= keep) break;
        known.delete(key);
        forget(phase, oldest);
      }
    },
    phaseOf(id) {
      const key = attemptKey(id);
      if (phases.done.has(key)) return 'done';
      return phases.refused.has(key) ? 'refused' : undefined;
    },
    find: (phase, id) => phases[phase].get(attemptKey(id)),
    drop(phase, id) {
      phases[phase].delete(attemptKey(id));
    },
    clear() {
      phases.done.clear();
      phases.refused.clear();
    },
  };
}
