/** Whether a failed attempt is tried again, and after how long. */
import { ERRORS, type ErrorBody, type ErrorCode } from '../../protocol/errors.ts';
import { type Attempt, DEFAULT_MAX_ATTEMPTS, type TaskOptions } from '../../protocol/task.ts';

/** A node's "no" that speaks of the node, not of the task: nothing ran, and another try may find it otherwise. */
const REFUSALS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'slots_taken',
  'agent_starting',
  'agent_disabled',
  'agent_not_registered',
  'not_permitted',
  'draining',
  'outbox_full',
  'wrong_instance',
  'agent_unknown',
  'attempt_refused',
  'attempt_unknown',
  'stale_epoch',
  'ssh_not_allowed',
]);

/**
 * What puts an agent on a cooldown, which its node keeps and advertises. The task itself need not wait for it: another
 * agent may be free; and when none is, it waits for the earliest.
 */
const COOLING: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'rate_limited',
  'quota_exhausted',
  'model_unavailable',
]);

/** A node's "no" because its agent is not set up. From a run, the same codes mean that the task met it and failed. */
const UNREADY: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'cli_missing',
  'cli_not_signed_in',
  'auth_refused',
  'node_version_missing',
  'version_mismatch',
  'endpoint_unreachable',
]);

/**
 * From a run: this agent will not do it, now or ever, and another one may. Where the task's fallback chain has another
 * one, that is no reason to fail.
 */
const SETUP: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  ...UNREADY,
  'model_not_found',
  'context_too_long',
  'prompt_too_large',
]);

export const isSetupFailure = (code: ErrorCode): boolean => SETUP.has(code);

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;
const REFUSAL_PAUSE_MS = 250;
const LONGEST_REFUSAL_PAUSE_MS = 5_000;

/** `refusal`: it uses up none of `max_attempts`. */
export type Verdict =
  | { readonly again: true; readonly after_ms: number; readonly refusal: boolean }
  | { readonly again: false };

interface Failure {
  readonly error: ErrorBody;
  /** The node said no: the attempt never existed there. */
  readonly refused: boolean;
  /** All so far; the last one is the one that failed. */
  readonly attempts: readonly Attempt[];
  readonly options: TaskOptions;
  /** Whether another member of the task's fallback chain could take it; looked up only when it matters. */
  readonly elsewhere: () => boolean;
  /** In [0, 1): spreads retries that failed together over half of the pause. */
  readonly random: number;
}

/** Refusals use up nothing of `max_attempts`: a task that may run only once may still be offered twice. */
export function judgeFailure({ error, refused, attempts, options, elsewhere, random }: Failure): Verdict {
  const jitter = 0.5 + random / 2;
  const earlier = attempts.slice(0, -1);
  if (refused && speaksOfNode(error.code)) {
    // Most of them are no longer on record: their numbers tell how many there were.
    const refusals = (attempts.at(-1)?.attempt ?? 1) - 1 - earlier.filter(hasRun).length;
    return {
      again: true,
      refusal: true,
      after_ms: jitter * Math.min(REFUSAL_PAUSE_MS * 2 ** Math.min(refusals, 10), LONGEST_REFUSAL_PAUSE_MS),
    };
  }
  const ran = 1 + earlier.filter(hasRun).length;
  if (ran >= (options.max_attempts ?? DEFAULT_MAX_ATTEMPTS)) return { again: false };
  if (isSetupFailure(error.code) && elsewhere()) return { again: true, refusal: false, after_ms: 0 };
  if (!ERRORS[error.code].retryable) return { again: false };
  const backoff = jitter * Math.min(FIRST_PAUSE_MS * 2 ** (ran - 1), LONGEST_PAUSE_MS);
  const asked_ms = COOLING.has(error.code) ? 0 : (error.retry_after_ms ?? 0);
  return { again: true, refusal: false, after_ms: Math.max(backoff, asked_ms) };
}

const speaksOfNode = (code: ErrorCode): boolean =>
  REFUSALS.has(code) || UNREADY.has(code) || COOLING.has(code);

const hasRun = ({ refused }: Attempt): boolean => refused !== true;
