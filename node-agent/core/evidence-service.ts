/** What an HTTP failure of the model service means, as CLIs hand it on: a status and a text. */
import { CcliError } from '../../protocol/errors.ts';

export interface ServiceFailure {
  /** HTTP status, where the CLI tells it. */
  readonly status: number | undefined;
  readonly message: string;
  /** What else the CLI printed: looked at for a pause alone, when the message names none. */
  readonly aside?: string;
}

/** What the service does not say: a rate limit counts minutes, a daily quota is looked at again after an hour. */
const RATE_LIMIT_PAUSE_MS = 60_000;
const QUOTA_PAUSE_MS = 3_600_000;
/** A pause longer than this is no rate limit any more: the CLI itself draws the line here. */
const LONG_PAUSE_MS = 300_000;

/** Google's wording; the CLI turns this 404 into status 500 or exit code 1. */
const NOT_FOUND =
  /\bmodels?\/\S+ is not found|is not found for API version|requested entity was not found|ModelNotFoundError/i;
const BAD_KEY = /API_KEY_INVALID|API key not valid|API key expired|API_KEY_EXPIRED/i;
/** Gone for the day, or never granted to this account. */
const LASTING = /daily quota|per ?day|limit:\s*0(?![\d.])|CREDITS_BALANCE/i;
/** How gemini's sign-in with an account tells of its quota: for how long, it says beside it. */
const SPENT = /exhausted your (?:capacity|quota)|capacity exceeded|QUOTA_EXHAUSTED/i;
/** Comes as 429 and means the servers, not the account. */
const NO_SERVERS = /no capacity available|MODEL_CAPACITY_EX/i;
const QUOTA = /RESOURCE_EXHAUSTED|exceeded your current quota|rate limit/i;

const OVERLOADED = /overloaded|too many requests|rate.?limit/i;

/** Whether a text that names no status speaks of a service's refusal. */
export const soundsLikeService = (text: string): boolean =>
  [NOT_FOUND, BAD_KEY, SPENT, NO_SERVERS, QUOTA, OVERLOADED].some(pattern => pattern.test(text));

export function judgeServiceFailure(failure: ServiceFailure): CcliError {
  const says = plainMessage(failure.message);
  const cause = new Error(failure.message);
  const make = (
    code: ConstructorParameters<typeof CcliError>[0],
    text: string,
    retry_after_ms?: number,
  ): CcliError =>
    new CcliError(code, `${text}: ${says}`, {
      cause,
      ...(retry_after_ms !== undefined && { retry_after_ms }),
    });
  const { status, message } = failure;
  const hint = retryHint(message) ?? retryHint(failure.aside ?? '');

  if (BAD_KEY.test(message) || status === 401 || status === 403)
    return make('auth_refused', 'The model service refused the credentials; check the key on the node');
  if ((status === 429 || (status === undefined && QUOTA.test(message))) && !NO_SERVERS.test(message)) {
    const pause = quotaPause(message, hint);
    return pause > LONG_PAUSE_MS
      ? make('quota_exhausted', 'The quota of this account is used up; wait, or use another account', pause)
      : make('rate_limited', 'The model service asks to slow down', pause);
  }
  if (status === 404 || NOT_FOUND.test(message))
    return make('model_not_found', 'The model does not exist or this key may not use it; choose another');
  if (status !== undefined && status >= 400 && status < 500 && !PASSING.has(status))
    return make('model_rejected', 'The model service rejected the request');
  return make('model_unavailable', 'The model service is failing or overloaded; try again later', hint);
}

/** Statuses below 500 that say nothing against the request: timed out, no servers, given up on the way. */
const PASSING: ReadonlySet<number> = new Set([408, 429, 499]);

function quotaPause(message: string, hint: number | undefined): number {
  // Google names the rest of the minute even when it is the day's quota that is gone.
  if (LASTING.test(message)) return Math.max(hint ?? 0, QUOTA_PAUSE_MS);
  return hint ?? (SPENT.test(message) ? QUOTA_PAUSE_MS : RATE_LIMIT_PAUSE_MS);
}

/**
 * The pause that a text asks for, in the largest mention there is: "Please retry in 12.3s", "Suggested retry after 60s",
 * "try again in 6m0s", "will reset after 18h31m10s", `"retryDelay":"37s"`, `retryDelayMs: 7000`, "Retry-After: 30".
 */
export function retryHint(text: string): number | undefined {
  const pauses = [
    ...[...text.matchAll(SPOKEN)].map(([, span]) => milliseconds(span ?? '')),
    ...[...text.matchAll(FIELD)].map(([, span]) => milliseconds(span ?? '')),
    ...[...text.matchAll(FIELD_MS)].map(([, ms]) => Number(ms)),
    ...[...text.matchAll(HEADER)].map(([, seconds]) => Number(seconds) * 1_000),
  ];
  return pauses.length === 0 ? undefined : Math.max(...pauses);
}

const SPAN = String.raw`((?:\d+(?:\.\d+)?\s?(?:ms|[dhms]|seconds?|minutes?|hours?)(?![a-z])[\s,]{0,2}){1,4})`;
const SPOKEN = new RegExp(String.raw`\b(?:retry|try again|resets?) (?:in|after) ${SPAN}`, 'gi');
/** Quoted as in JSON, in JSON within a string, or as Node shows an object. */
const FIELD = new RegExp(String.raw`retry_?delay\\*["']?\s*[:=]\s*\\*["']?${SPAN}`, 'gi');
const FIELD_MS = /retry_?delay_?ms\\*["']?\s*[:=]\s*(\d+(?:\.\d+)?)/gi;
const HEADER = /retry-after\\*["']?\s*[:=]\s*\\*["']?(\d+)/gi;

const UNIT_MS: Readonly<Record<string, number>> = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000, ms: 1 };

const milliseconds = (span: string): number =>
  [...span.matchAll(/(\d+(?:\.\d+)?)\s?(ms|[dhms])/gi)].reduce(
    (sum, [, amount, unit]) => sum + Number(amount) * (UNIT_MS[(unit ?? '').toLowerCase()] ?? 0),
    0,
  );

/** The API's own sentence out of the JSON that wraps it, at most a few lines of it. */
function plainMessage(message: string): string {
  const inner = /"message"\s*:\s*("(?:\\.|[^"\\])*")/.exec(message)?.[1];
  const text = inner === undefined ? message : unquote(inner, message);
  return text
    .replace(/^\[API Error: ([\s\S]*?)\](?:\nPlease wait and try again later\.[\s\S]*)?$/, '$1')
    .trim()
    .slice(0, 500);
}

function unquote(quoted: string, otherwise: string): string {
  try {
    return String(JSON.parse(quoted));
  } catch {
    return otherwise;
  }
}
