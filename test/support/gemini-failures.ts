/** How the Gemini API refuses when there are too many requests, or too few servers: its words and its details. */
import type { StubAnswer } from './gemini-stub.ts';

type Failure = Extract<StubAnswer, { status: number }>;

const SPENT =
  'You exceeded your current quota, please check your plan and billing details. For more information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits.';
const METRIC = 'generativelanguage.googleapis.com/generate_content_free_tier_requests';

const retryInfo = (retryDelay: string) => ({
  '@type': 'type.googleapis.com/google.rpc.RetryInfo',
  retryDelay,
});

const quotaFailure = (quotaId: string, quotaValue: string) => ({
  '@type': 'type.googleapis.com/google.rpc.QuotaFailure',
  violations: [
    {
      quotaMetric: METRIC,
      quotaId,
      quotaDimensions: { location: 'global', model: 'gemini-2.5-pro' },
      quotaValue,
    },
  ],
});

const help = {
  '@type': 'type.googleapis.com/google.rpc.Help',
  links: [
    {
      description: 'Learn more about Gemini API quotas',
      url: 'https://ai.google.dev/gemini-api/docs/rate-limits',
    },
  ],
};

const spent = (limit: number, retry: string): string =>
  `${SPENT} \n* Quota exceeded for metric: ${METRIC}, limit: ${limit}, model: gemini-2.5-pro\nPlease retry in ${retry}.`;

const MINUTE = 'GenerateRequestsPerMinutePerProjectPerModel-FreeTier';
const DAY = 'GenerateRequestsPerDayPerProjectPerModel-FreeTier';

export const failures = {
  /** So many requests a minute, and for how long to wait. */
  minute: {
    status: 429,
    message: spent(5, '12.345678901s'),
    details: [quotaFailure(MINUTE, '5'), help, retryInfo('12s')],
  },
  /** The same, without a word about how long. */
  minuteWithoutHint: {
    status: 429,
    message: 'Quota exceeded for quota metric.',
    details: [quotaFailure(MINUTE, '5')],
  },
  /** The day's requests are used up. The pause it names is the rest of the minute, as from the real API. */
  day: {
    status: 429,
    message: spent(25, '43.1s'),
    details: [quotaFailure(DAY, '25'), help, retryInfo('43s')],
  },
  /** A model that the account's plan does not include at all. */
  notInPlan: {
    status: 429,
    message: spent(0, '43.1s'),
    details: [quotaFailure(DAY, '0'), quotaFailure(MINUTE, '0'), help, retryInfo('43s')],
  },
  /** Nothing but a delay. */
  delayAlone: {
    status: 429,
    message: 'Resource has been exhausted (e.g. check quota).',
    details: [retryInfo('37.5s')],
  },
  /** Nothing at all. */
  bare: { status: 429, message: 'Resource exhausted. Please try again later.' },
  longDelay: { status: 429, message: 'Resource has been exhausted.', details: [retryInfo('7200s')] },
  overloaded: { status: 503, message: 'The model is overloaded. Please try again later.' },
  overloadedWithHint: {
    status: 503,
    message: 'The model is overloaded. Please try again later.',
    details: [retryInfo('37s')],
  },
  internal: { status: 500, message: 'An internal error has occurred. Please retry.' },
} as const satisfies Record<string, Failure>;
