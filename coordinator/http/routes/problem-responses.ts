/** Which problems a route may answer with, from the rows of the error table. */
import { ERRORS, type ErrorCode } from '../../../protocol/errors.ts';
import { problem } from '../openapi-problem.ts';

type Problems = Record<number, ReturnType<typeof problem>>;

/** What any address may answer, whoever asks. */
const OF_THE_DOOR: readonly ErrorCode[] = [
  'forbidden_origin',
  'request_incomplete',
  'head_too_large',
  'internal',
];

/** Where a key is asked for, and requests are counted. */
const OF_CALLERS: readonly ErrorCode[] = ['unauthorized', 'too_many_requests'];

/** Of routes that ask the fleet or its store. */
const OF_THE_FLEET: readonly ErrorCode[] = [
  'invalid_request',
  'nats_unreachable',
  'store_unavailable',
  'shutting_down',
];

/** Of routes that take a body. */
export const OF_BODIES: readonly ErrorCode[] = ['message_too_large', 'unsupported_media_type', 'overloaded'];

/** One entry a status, which tells of each code what it says. */
function problemsOf(codes: Iterable<ErrorCode>): Problems {
  const said = new Map<number, string[]>();
  for (const code of new Set(codes)) {
    const { http, says } = ERRORS[code];
    said.set(http, [...(said.get(http) ?? []), `\`${code}\`: ${says}`]);
  }
  return Object.fromEntries(
    [...said].map(([status, sentences]) => [status, problem(sentences.join('\n\n'))]),
  );
}

/** Of a route of `/api`. */
export const problemResponses = (...codes: readonly ErrorCode[]): Problems =>
  problemsOf([...OF_THE_DOOR, ...OF_CALLERS, ...OF_THE_FLEET, ...codes]);

/** Of a route that needs nothing of the fleet. */
export const localProblems = (...codes: readonly ErrorCode[]): Problems =>
  problemsOf([...OF_THE_DOOR, ...OF_CALLERS, ...codes]);

/** Of a route that needs no key either. */
export const openProblems = (...codes: readonly ErrorCode[]): Problems =>
  problemsOf([...OF_THE_DOOR, ...codes]);
