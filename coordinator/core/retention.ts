/** Which ended tasks may go: those too old, those too many, and, when a store fills up, the oldest. */

export interface EndedTask {
  readonly task_id: string;
  /** Revision of its request. */
  readonly seq: number;
  /** How long ago it ended. */
  readonly ended_age_ms: number;
}

export interface RetentionLimits {
  readonly max_age_ms: number;
  /** Ended tasks that are kept. */
  readonly max_tasks: number;
  /** Neither their number nor a full store removes a task that ended more recently: somebody may still fetch it. */
  readonly min_age_ms: number;
}

/** Share of a store from which on it is kept from filling up: below the one at which nothing new is accepted. */
export const PRESSURE_SHARE = 0.7;

interface RetentionQuestion {
  readonly ended: readonly EndedTask[];
  readonly limits: RetentionLimits;
  /** Used share of the fullest store. */
  readonly used_share: number;
  /** Most tasks to name at once: how much a store is relieved shows only afterwards. */
  readonly batch: number;
}

/** @returns oldest first; none that has not ended */
export function toPurge({ ended, limits, used_share, batch }: RetentionQuestion): EndedTask[] {
  // Most of the time nothing is due, and nothing needs sorting.
  const oldest_ms = ended.reduce((most, { ended_age_ms }) => Math.max(most, ended_age_ms), 0);
  const crowded = ended.length > limits.max_tasks || used_share >= PRESSURE_SHARE;
  if (!crowded && oldest_ms <= limits.max_age_ms) return [];
  const oldest_first = [...ended].sort((a, b) => b.ended_age_ms - a.ended_age_ms || a.seq - b.seq);
  const too_many = oldest_first.length - limits.max_tasks;
  const chosen = oldest_first.filter(({ ended_age_ms }, index) => {
    if (ended_age_ms > limits.max_age_ms) return true;
    return ended_age_ms >= limits.min_age_ms && (index < too_many || used_share >= PRESSURE_SHARE);
  });
  return chosen.slice(0, batch);
}
