/** What an HTTP failure of the model service means, as CLIs hand it on: a status and a text. */
import { CcliError } from '../../protocol/errors.ts';

export interface ServiceFailure {
  /** HTTP status, where the CLI tells it. */
  readonly status: number | undefined;
  readonly message: string;
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
const DAILY =
  /daily quota|per ?day|PerDay|limit:\s*0(?![\d.])|exhausted your capacity|capacity exceeded|CAPACITY_EXHAUSTED|CREDITS_BALANCE/i;
const QUOTA = /RESOURCE_EXHAUSTED|exceeded your current quota|rate limit/i;

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

  if (BAD_KEY.test(message) || status === 401 || status === 403)
    return make('auth_refused', 'The model service refused the credentials; check the key on the node');
  if (status === 429 || (status === undefined && QUOTA.test(message))) {
    const pause = retryHint(message);
    return DAILY.test(message) || (pause ?? 0) > LONG_PAUSE_MS
      ? make(
          'quota_exhausted',
          'The quota of this account is used up; wait, or use another account',
          pause ?? QUOTA_PAUSE_MS,
        )
      : make('rate_limited', 'The model service asks to slow down', pause ?? RATE_LIMIT_PAUSE_MS);
  }
  if (status === 404 || NOT_FOUND.test(message))
    return make('model_not_found', 'The model does not exist or this key may not use it; choose another');
  if (status !== undefined && status >= 400 && status < 500 && status !== 408)
    return make('model_rejected', 'The model service rejected the request');
  return make(
    'model_unavailable',
    'The model service is failing or overloaded; try again later',
    retryHint(message),
  );
}

/** "retry in 7s", "retry after 1h2m3.5s", "retry in 320ms", in the largest mention there is. */
export function retryHint(message: string): number | undefined {
  const spans = [...message.matchAll(/retry (?:in|after) ((?:\d+(?:\.\d+)?(?:ms|[hms]))+)/gi)].map(found =>
    milliseconds(found[1] ?? ''),
  );
  return spans.length === 0 ? undefined : Math.max(...spans);
}

const UNIT_MS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 };

const milliseconds = (span: string): number =>
  [...span.matchAll(/(\d+(?:\.\d+)?)(ms|[hms])/gi)].reduce(
    (sum, [, amount, unit]) => sum + Number(amount) * (UNIT_MS[(unit ?? '').toLowerCase()] ?? 0),
    0,
  );

/** The API's own sentence out of the JSON that wraps it, at most a few lines of it. */
function plainMessage(message: string): string {
  const inner = /"message"\s*:\s*("(?:\\.|[^"\\])*")/.exec(message)?.[1];
  const text = inner === undefined ? message : unquote(inner, message);
  return text
    .replace(/^\[API Error: /, '')
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
