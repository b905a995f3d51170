/**
 * When something that keeps failing is left alone for a while. Times are monotonic, in milliseconds.
 *
 *     closed ──failures in a row──> open ──pause over──> trial ──works──> closed, on probation ──success──> closed
 *                                     ^──────────twice the pause──────fails┘ ┘──one failure
 *
 * On probation one failure is enough: a thing that starts well and fails at work would else be tried as often as ever.
 */
export type Breaker =
  | {
      readonly phase: 'closed';
      /** When it failed, oldest first, since it last worked. */
      readonly failed_at: readonly number[];
      /** How often it was opened since it last worked; above 0 it is on probation. */
      readonly openings: number;
    }
  | { readonly phase: 'open'; readonly until: number; readonly openings: number }
  | { readonly phase: 'trial'; readonly openings: number };

export interface BreakerLimits {
  /** So many failures within `window_ms`, with no success between them, open it. */
  readonly failures: number;
  readonly window_ms: number;
  /** The first pause; each next one is twice as long, up to `max_pause_ms`. */
  readonly pause_ms: number;
  readonly max_pause_ms: number;
}

export const BREAKER_LIMITS: BreakerLimits = {
  failures: 3,
  window_ms: 5 * 60_000,
  pause_ms: 60_000,
  max_pause_ms: 10 * 60_000,
};

export const CLOSED: Breaker = { phase: 'closed', failed_at: [], openings: 0 };

export function afterFailure(breaker: Breaker, now: number, limits: BreakerLimits = BREAKER_LIMITS): Breaker {
  // What still ran when it opened may fail later: that is no news.
  if (breaker.phase === 'open') return breaker;
  const failed_at =
    breaker.phase === 'closed'
      ? [...breaker.failed_at.filter(at => now - at < limits.window_ms), now]
      : [now];
  const bears = breaker.phase === 'closed' && breaker.openings === 0 && failed_at.length < limits.failures;
  return bears ? { ...breaker, failed_at } : opened(breaker.openings + 1, now, limits);
}

const opened = (openings: number, now: number, { pause_ms, max_pause_ms }: BreakerLimits): Breaker => ({
  phase: 'open',
  until: now + Math.min(pause_ms * 2 ** (openings - 1), max_pause_ms),
  openings,
});

/** It has done its work. What was begun before it opened proves nothing about it now. */
export const afterSuccess = (breaker: Breaker): Breaker => (breaker.phase === 'closed' ? CLOSED : breaker);

export const beginTrial = (breaker: Breaker): Breaker =>
  breaker.phase === 'open' ? { phase: 'trial', openings: breaker.openings } : breaker;

export const passTrial = (breaker: Breaker): Breaker =>
  breaker.phase === 'trial' ? { phase: 'closed', failed_at: [], openings: breaker.openings } : breaker;
