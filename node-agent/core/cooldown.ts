/**
 * How long an agent rests after its model service asked for it, or failed. Times are on one monotonic clock, in
 * milliseconds.
 */
import type { CcliError, ErrorCode } from '../../protocol/errors.ts';

const CODES = ['rate_limited', 'quota_exhausted', 'model_unavailable'] as const satisfies ErrorCode[];
export type CooldownCode = (typeof CODES)[number];

export const isCooldownCode = (code: ErrorCode): code is CooldownCode =>
  (CODES as readonly ErrorCode[]).includes(code);

export interface Cooldown {
  readonly code: CooldownCode;
  readonly until: number;
}

export interface CooldownState {
  /** The last one, over or not. */
  readonly last?: Cooldown;
  /** Outages in a row, with no success between them. */
  readonly outages: number;
}

export const NO_COOLDOWN: CooldownState = { outages: 0 };

const RATE_LIMIT_MS = 60_000;
const QUOTA_MS = 3_600_000;
const OUTAGE_FROM_MS = 2_000;
const OUTAGE_TO_MS = 60_000;
/** Services have been seen to ask for pauses that nobody can mean. */
const LONGEST_MS = 30 * 24 * 3_600_000;

/** What remains, if anything does. */
export function remaining(
  { last }: CooldownState,
  now: number,
): { readonly code: CooldownCode; readonly ms: number } | undefined {
  return last === undefined || last.until <= now
    ? undefined
    : { code: last.code, ms: Math.ceil(last.until - now) };
}

/** A failure of the service. It may make a cooldown longer, never shorter. */
export function coolDown(
  state: CooldownState,
  { code, retry_after_ms }: Pick<CcliError, 'code' | 'retry_after_ms'>,
  now: number,
): CooldownState {
  if (!isCooldownCode(code)) return state;
  const resting = remaining(state, now) !== undefined;
  // Tasks that failed side by side have met one outage, not several.
  const outages =
    code !== 'model_unavailable' ? state.outages : Math.max(state.outages + (resting ? 0 : 1), 1);
  const until = now + pauseOf(code, retry_after_ms, outages);
  const last =
    state.last !== undefined && state.last.until >= until
      ? state.last
      : until > now
        ? { code, until }
        : undefined;
  return { outages, ...(last !== undefined && { last }) };
}

/** A success says that the service works, and does not lift what it asked for before. */
export const succeeded = (state: CooldownState): CooldownState =>
  state.outages === 0 ? state : { ...state, outages: 0 };

function pauseOf(code: CooldownCode, hint: number | undefined, outages: number): number {
  if (hint !== undefined && !Number.isNaN(hint)) return Math.min(Math.max(hint, 0), LONGEST_MS);
  switch (code) {
    case 'rate_limited':
      return RATE_LIMIT_MS;
    case 'quota_exhausted':
      return QUOTA_MS;
    case 'model_unavailable':
      return Math.min(OUTAGE_FROM_MS * 2 ** (outages - 1), OUTAGE_TO_MS);
  }
}

/**
 * What is left of a cooldown that was written down before a restart. The clock on the wall may have been set since:
 * it can end a cooldown early, and never make one longer than it was.
 */
export const restoredMs = (ends_at_ms: number, granted_ms: number, now_ms: number): number =>
  Math.min(Math.max(ends_at_ms - now_ms, 0), granted_ms);
