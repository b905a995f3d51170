/** What the real CLI was seen to say (gemini 0.61), and what it must be taken for. */
import { describe, expect, it } from 'vitest';
import { type AcpAnswer, judgeAcpAnswer, judgeRpcError } from '../../../node-agent/core/evidence.ts';
import { judgeExit, judgeGeminiExit, lastWords } from '../../../node-agent/core/evidence-exit.ts';
import { judgeServiceFailure, retryHint } from '../../../node-agent/core/evidence-service.ts';
import {
  judgeStreamAnswer,
  type StreamAnswer,
  StreamEventSchema,
} from '../../../node-agent/core/evidence-stream.ts';
import { judgeTold } from '../../../node-agent/core/evidence-told.ts';
import { CcliError } from '../../../protocol/errors.ts';

const codeOf = (judge: () => unknown): string => {
  try {
    judge();
    return 'fine';
  } catch (error) {
    return error instanceof CcliError ? error.code : 'untyped';
  }
};

const acp = (change: Partial<AcpAnswer> = {}): AcpAnswer => ({
  stop_reason: 'end_turn',
  usage: { input_tokens: 11, output_tokens: 5, total_tokens: 16 },
  models: ['gemini-2.5-pro'],
  has_text: true,
  thought: false,
  tool_calls: 0,
  prompt_chars: 10,
  ...change,
});
const unused = { usage: { input_tokens: 0, output_tokens: 0 }, models: [] };
const silent = { usage: { input_tokens: 11, output_tokens: 0 } };

describe('an answer over ACP', () => {
  it('is good with text and usage, though it may have been cut', () => {
    expect(judgeAcpAnswer(acp())).toEqual({
      completeness: 'unknown',
      model: 'gemini-2.5-pro',
      usage: { input_tokens: 11, output_tokens: 5, total_tokens: 16 },
    });
  });
  it.each<[string, Partial<AcpAnswer>, string]>([
    ['text without usage', unused, 'reply_truncated'],
    ['nothing at all', { ...unused, has_text: false }, 'empty_reply'],
    [
      'nothing for a huge prompt',
      { ...unused, has_text: false, prompt_chars: 5_000_000 },
      'prompt_too_large',
    ],
    ['no text and no tokens', { ...silent, has_text: false }, 'safety_refused'],
    ['thoughts alone', { ...silent, has_text: false, thought: true }, 'empty_reply'],
    ['tool calls alone', { ...silent, has_text: false, tool_calls: 1 }, 'empty_reply'],
    ['a turn limit', { stop_reason: 'max_turn_requests' }, 'reply_truncated'],
    ['a token limit', { stop_reason: 'max_tokens' }, 'reply_truncated'],
    ['a refusal', { stop_reason: 'refusal' }, 'safety_refused'],
    ['an end nobody asked for', { stop_reason: 'cancelled' }, 'cli_crashed'],
  ])('with %s', (_name, change, code) => {
    expect(codeOf(() => judgeAcpAnswer(acp(change)))).toBe(code);
  });
});

describe('an answer of another CLI over ACP', () => {
  const { models: _models, ...other } = acp();

  it('is whole where the CLI would have told that it is not', () => {
    expect(judgeAcpAnswer({ ...other, tells_cut: true }).completeness).toBe('whole');
    expect(judgeAcpAnswer(other).completeness).toBe('unknown');
  });

  it.each<[string, Partial<AcpAnswer>, string]>([
    [
      'a remark that it was cut',
      { notice: 'Incomplete response returned, reason: max_output_tokens' },
      'reply_truncated',
    ],
    [
      'a remark in place of an answer',
      { notice: 'last status: 429 Too Many Requests', models: [] },
      'rate_limited',
    ],
    ['a remark of no known meaning', { notice: 'boiler exploded', models: [] }, 'cli_crashed'],
    [
      'no text but a remark',
      { notice: 'unexpected status 404 Not Found', has_text: false },
      'model_not_found',
    ],
    ['no text and nothing said', { has_text: false }, 'empty_reply'],
    ['a remark beside it', { notice: 'Warning: Falling back from WebSockets to HTTPS' }, 'fine'],
  ])('with %s', (_name, change, code) => {
    expect(codeOf(() => judgeAcpAnswer({ ...other, ...change }))).toBe(code);
  });
});

it.each([
  ['API Error: 401 Incorrect API key provided', 'auth_refused'],
  ['API Error: Request rejected (429) · slow down', 'rate_limited'],
  ['404 no such path', 'model_not_found'],
  ['Incorrect API key provided: k.', 'auth_refused'],
  ['The model `x` does not exist or you do not have access to it.', 'model_not_found'],
  ['{"error":{"type":"invalid_request_error","message":"Unsupported parameter."}}', 'model_rejected'],
  ['{"type":"overloaded_error"}', 'model_unavailable'],
  ['You have hit your rate limit', 'rate_limited'],
  ['prompt is too long: 250000 tokens > 200000', 'context_too_long'],
  ['the response exceeded the 64000 output token maximum', 'reply_truncated'],
  ['boiler exploded at 1401 degrees', 'cli_crashed'],
])('told in words, "%s" is %s', (text, code) => {
  expect(judgeTold(text).code).toBe(code);
});

describe('an error over ACP', () => {
  it.each([
    [
      400,
      '{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","details":[{"reason":"API_KEY_INVALID"}]}}',
      'auth_refused',
    ],
    [401, '{"error":{"code":401,"message":"no auth"}}', 'auth_refused'],
    [403, '{"error":{"code":403,"message":"no perm"}}', 'auth_refused'],
    [500, 'models/x is not found', 'model_not_found'],
    [500, 'Requested entity was not found.', 'model_not_found'],
    [400, '{"error":{"code":400,"message":"The input token count exceeds the maximum"}}', 'model_rejected'],
    [429, 'You exceeded your current quota. Please retry in 7s.\nSuggested retry after 7s.', 'rate_limited'],
    [429, 'Rate limit exceeded. Try again later.', 'rate_limited'],
    [429, 'You have exhausted your daily quota on this model.', 'quota_exhausted'],
    [429, 'Quota exceeded for metric x, limit: 0', 'quota_exhausted'],
    [429, 'Quota exceeded. Please retry in 2h3m.', 'quota_exhausted'],
    [
      429,
      'You have exhausted your capacity on this model. Your quota will reset after 18h31m10s.',
      'quota_exhausted',
    ],
    [429, 'You have exhausted your capacity on this model. Your quota will reset after 5s.', 'rate_limited'],
    [429, 'You have exhausted your capacity on this model.', 'quota_exhausted'],
    [429, 'No capacity available for model gemini-2.5-pro on the server', 'model_unavailable'],
    [499, 'The operation was cancelled.', 'model_unavailable'],
    [500, '{"error":{"code":500,"message":"internal"}}', 'model_unavailable'],
    [500, 'terminated', 'model_unavailable'],
    [408, 'timed out', 'model_unavailable'],
    [503, 'overloaded', 'model_unavailable'],
    [-32000, 'Gemini API key is missing or not configured.', 'cli_not_signed_in'],
    [-32603, 'ENOENT', 'cli_crashed'],
  ])('%d %s', (code, message, expected) => {
    expect(judgeRpcError({ code, message }).code).toBe(expected);
  });

  it.each([
    [{ errorKind: 'authentication_failed' }, 'auth_refused'],
    [{ errorKind: 'max_output_tokens' }, 'reply_truncated'],
    [{ errorKind: 'unknown' }, 'cli_crashed'],
    [{ details: '429 please wait' }, 'rate_limited'],
    ['anything', 'cli_crashed'],
  ])('may tell its meaning beside the message: %o', (data, code) => {
    expect(judgeRpcError({ code: -32603, message: 'Internal error', data }).code).toBe(code);
  });

  it('is told in the words of the service', () => {
    const error = judgeServiceFailure({
      status: 400,
      message: '{"error":{"code":400,"message":"too \\"many\\" tokens"}}',
    });
    expect(error.message).toBe('The model service rejected the request: too "many" tokens');
    expect(judgeServiceFailure({ status: undefined, message: 'RESOURCE_EXHAUSTED' }).code).toBe(
      'rate_limited',
    );
    expect(judgeServiceFailure({ status: 400, message: '"message": "bad \\q"' }).message).toContain('bad');
  });
});

it.each([
  ['Please retry in 7s.\nSuggested retry after 7s.', 7_000],
  ['Please retry in 12.3s.', 12_300],
  ['retry in 320ms', 320],
  ['Please retry in 1h2m3.5s', 3_723_500],
  ['Suggested retry after 60s. Please retry in 90s', 90_000],
  ['Your quota will reset after 18h31m10s.', 66_670_000],
  ['Quota resets in 1d 2h', 93_600_000],
  ['Please try again in 6m0s. Visit', 360_000],
  ['try again in 20 seconds', 20_000],
  ['"details":[{"retryDelay":"59s"}]', 59_000],
  ['{"message":"{\\"retryDelay\\": \\"37s\\"}"}', 37_000],
  ["retryDelay: '3.5s'", 3_500],
  ['retryDelayMs: 7000,', 7_000],
  ['retryDelayMs: undefined', undefined],
  ['Retry-After: 30', 30_000],
  ['"retry-after": "30"', 30_000],
  ['try again', undefined],
  ['Please retry in a moment, or in 5 steps', undefined],
  ['Retrying after 7000ms...', undefined],
])('the pause in "%s" is %s ms', (message, expected) => {
  expect(retryHint(message)).toBe(expected);
});

it('a hint beside the message counts when the message has none', () => {
  const failure = { status: 503, message: 'overloaded', aside: 'retryDelayMs: 7000' };
  expect(judgeServiceFailure(failure).retry_after_ms).toBe(7_000);
  expect(judgeServiceFailure({ ...failure, message: 'Please retry in 2s' }).retry_after_ms).toBe(2_000);
});

it('an API error is told without the frame that a headless gemini puts around it', () => {
  const message =
    '[API Error: You exceeded [all] of it.\nSuggested retry after 7s.]\nPlease wait and try again later. To increase your limits, request more';
  expect(judgeServiceFailure({ status: 429, message }).message).toBe(
    'The model service asks to slow down: You exceeded [all] of it.\nSuggested retry after 7s.',
  );
});

const stats = { total_tokens: 16, input_tokens: 11, output_tokens: 5, models: { 'gemini-2.5-pro': {} } };
const result = (change: object = {}) =>
  StreamEventSchema.parse({ type: 'result', status: 'success', stats, ...change });
const stream = ({
  result: last = result(),
  ...change
}: Partial<Omit<StreamAnswer, 'result'>> & { result?: unknown } = {}): StreamAnswer => {
  const event = last === 'none' ? undefined : StreamEventSchema.parse(last);
  return {
    result: event?.type === 'result' ? event : undefined,
    errors: [],
    has_text: true,
    exit: { code: 0, signal: null, stderr: '' },
    prompt_chars: 10,
    ...change,
  };
};
const exit = (code: number | null, stderr = '', signal: string | null = null) => ({ code, signal, stderr });
const failed = (message: string) => result({ status: 'error', error: { type: 'unknown', message } });

describe('a headless answer', () => {
  it('is good with a result of success and text', () => {
    expect(judgeStreamAnswer(stream())).toEqual({
      completeness: 'unknown',
      model: 'gemini-2.5-pro',
      usage: { total_tokens: 16, input_tokens: 11, output_tokens: 5 },
    });
    expect(judgeStreamAnswer(stream({ result: { type: 'result', status: 'success' } }))).toEqual({
      completeness: 'unknown',
      usage: {},
    });
  });
  const invalid = result({ status: 'error' });
  it.each<[string, Parameters<typeof stream>[0], string]>([
    ['success without text', { has_text: false }, 'empty_reply'],
    [
      'success without a request',
      { has_text: false, prompt_chars: 5_000_000, result: result({ stats: {} }) },
      'prompt_too_large',
    ],
    [
      'a safety filter',
      {
        has_text: false,
        result: invalid,
        errors: ['The model response was blocked due to safety settings.'],
      },
      'safety_refused',
    ],
    [
      'an empty stream',
      { has_text: false, result: invalid, errors: ['Model stream ended without a finish reason.'] },
      'empty_reply',
    ],
    [
      'a broken stream',
      { result: invalid, errors: ['Model stream ended without a finish reason.'] },
      'reply_truncated',
    ],
    ['another broken stream', { result: invalid, errors: ['malformed tool call'] }, 'reply_truncated'],
    [
      'an error and no text',
      { has_text: false, result: invalid, errors: ['malformed tool call'] },
      'empty_reply',
    ],
    ['success with an error', { errors: ['Maximum session turns exceeded'] }, 'reply_truncated'],
    [
      'a quota',
      {
        result: failed('[API Error: You exceeded your current quota. Please retry in 7s.]'),
        exit: exit(173),
      },
      'rate_limited',
    ],
    [
      'a daily quota',
      { result: failed('[API Error: You have exhausted your daily quota on this model.]'), exit: exit(173) },
      'quota_exhausted',
    ],
    [
      'an unknown model',
      { result: failed('[API Error: x]'), exit: exit(1, 'ModelNotFoundError: x') },
      'model_not_found',
    ],
    [
      'a status without a result',
      { result: 'none', exit: exit(247, 'oh\n{"error":{"code":503,"message":"overloaded"}}') },
      'model_unavailable',
    ],
    ['a status without a word', { result: 'none', exit: exit(145) }, 'auth_refused'],
    ['no sign-in', { result: 'none', exit: exit(41) }, 'cli_not_signed_in'],
    ['no input', { result: 'none', exit: exit(42) }, 'prompt_empty'],
    ['broken settings', { result: 'none', exit: exit(52) }, 'config_invalid'],
    ['the turn limit', { result: 'none', exit: exit(53) }, 'reply_truncated'],
    ['no trust', { result: 'none', exit: exit(55) }, 'config_invalid'],
    ['a polite end', { result: 'none' }, 'reply_truncated'],
    ['a signal', { result: 'none', exit: exit(null, '', 'SIGKILL') }, 'cli_crashed'],
    ['another exit code', { result: 'none', exit: exit(7) }, 'cli_crashed'],
  ])('with %s', (_name, change, code) => {
    expect(codeOf(() => judgeStreamAnswer(stream(change)))).toBe(code);
  });
});

describe('an exit', () => {
  it('tells its code or its signal, and its last words', () => {
    expect(judgeExit(exit(3, ' boiler exploded\n'))).toMatchObject({
      code: 'cli_crashed',
      message: 'The CLI ended unexpectedly with exit code 3; its last words are the cause.',
      cause: { message: 'boiler exploded' },
    });
    expect(judgeExit(exit(null)).message).toContain('unknown');
    expect(judgeExit(exit(1)).cause).toMatchObject({ message: 'nothing on stderr' });
    expect(judgeGeminiExit(exit(null, '', 'SIGSEGV')).message).toContain('SIGSEGV');
  });
  it('of a process that has served several tasks does not tell what it said, but for how Node gave up', () => {
    const heap = 'FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory';
    const secret = judgeExit({ ...exit(3, 'prompt: my secret'), shared: true });
    expect(secret.message).toContain('exit code 3; its last words are in the log');
    expect(secret.cause).toBeUndefined();
    const full = judgeExit({ ...exit(null, `my secret\n${heap}\nmore`, 'SIGABRT'), shared: true });
    expect(full.cause).toMatchObject({ message: heap });
  });

  it('says once what a long life has said many times', () => {
    expect(lastWords('one\none\none\ntwo\none\n')).toBe('one\ntwo\none');
  });
});
