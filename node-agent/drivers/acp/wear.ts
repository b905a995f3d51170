/** When a warm process has had its time: each session slows it down, and what leaks adds up. */

export interface Worn {
  /** Sessions taken so far. */
  readonly taken: number;
  readonly age_ms: number;
  /** Undefined where the system does not tell. */
  readonly resident_bytes: number | undefined;
}

interface WearLimits {
  readonly max_sessions: number;
  readonly max_age: number;
  readonly max_memory: number;
}

/** Past so many times its limit, a process is ended with what it runs, before the host suffers. */
const UNBEARABLE = 2;

export function wearOf(worn: Worn, limits: WearLimits): 'sessions' | 'age' | 'memory' | undefined {
  if (worn.taken >= limits.max_sessions) return 'sessions';
  if (worn.age_ms >= limits.max_age) return 'age';
  // A successor of one that has done nothing yet would be no smaller.
  return worn.taken > 0 && (worn.resident_bytes ?? 0) > limits.max_memory ? 'memory' : undefined;
}

export const isUnbearable = ({ resident_bytes = 0 }: Worn, { max_memory }: WearLimits): boolean =>
  resident_bytes > UNBEARABLE * max_memory;
