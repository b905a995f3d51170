import { describe, expect, test } from 'vitest';
import { judgeFailure } from '../../../coordinator/core/retry.ts';
import { ERRORS, type ErrorBody, type ErrorCode } from '../../../protocol/errors.ts';
import type { Attempt, TaskOptions } from '../../../protocol/task.ts';

const body = (code: ErrorCode, more: Partial<ErrorBody> = {}): ErrorBody => ({
  code,
  message: ERRORS[code].says,
  retryable: ERRORS[code].retryable,
  ...more,
});

/** How an attempt ended; "!" for one that had started, "~" for one that was refused, "open" for one that has not ended. */
type Past = ErrorCode | `${ErrorCode}!` | `${ErrorCode}~` | 'open';

const attempts = (...codes: readonly Past[]): Attempt[] =>
  codes.map((text, index) => {
    const [code] = text.split(/[!~]/);
    const known = Object.keys(ERRORS).find((name): name is ErrorCode => name === code);
    return {
      node: 'walnut',
      agent_id: 'walnut-gemini',
      instance_id: 'i1',
      epoch: 1,
      attempt: index + 1,
      started: text.endsWith('!'),
      ...(text.endsWith('~') && { refused: true as const }),
      ...(known !== undefined && { error: body(known) }),
    };
  });

interface Failure {
  readonly code: ErrorCode;
  readonly refused?: boolean;
  readonly earlier?: readonly Past[];
  readonly options?: TaskOptions;
  readonly retry_after_ms?: number;
  readonly random?: number;
  /** Another member of the task's chain could take it. */
  readonly elsewhere?: boolean;
}

/** The pause before another attempt; undefined when there is to be none. */
function pause({
  code,
  refused = false,
  earlier = [],
  options = {},
  retry_after_ms,
  random = 1,
  elsewhere = false,
}: Failure): number | undefined {
  const verdict = judgeFailure({
    error: body(code, retry_after_ms === undefined ? {} : { retry_after_ms }),
    refused,
    attempts: attempts(...earlier, 'open'),
    options,
    elsewhere: () => elsewhere,
    random,
  });
  return verdict.again ? verdict.after_ms : undefined;
}

describe('a failed attempt', () => {
  test.each(Object.entries(ERRORS).filter(([, row]) => !row.retryable))('of code %s is final', name => {
    const code = Object.keys(ERRORS).find((known): known is ErrorCode => known === name);
    expect(code && pause({ code })).toBeUndefined();
  });

  test.each([
    [{ code: 'cli_crashed' }, 1_000],
    [{ code: 'cli_crashed', earlier: ['cli_crashed!'] }, 2_000],
    [{ code: 'cli_crashed', earlier: ['cli_crashed!', 'empty_reply!'] }, undefined],
    [{ code: 'cli_crashed', options: { max_attempts: 1 } }, undefined],
    [{ code: 'cli_crashed', earlier: ['cli_crashed!'], options: { max_attempts: 2 } }, undefined],
    [{ code: 'cli_crashed', earlier: ['cli_crashed!', 'cli_crashed!'], options: { max_attempts: 4 } }, 4_000],
    // A lost node may have run it, told or not.
    [{ code: 'node_lost', options: { max_attempts: 1 } }, undefined],
    [{ code: 'node_lost', earlier: ['node_lost', 'node_lost'] }, undefined],
    // Refusals use up no attempt.
    [{ code: 'cli_crashed', earlier: ['slots_taken~', 'draining~', 'cli_missing~'] }, 1_000],
    [{ code: 'cli_crashed', earlier: ['slots_taken~', 'cli_crashed!', 'rate_limited~'] }, 2_000],
    // The same code from a run is a failure of it.
    [{ code: 'cli_crashed', earlier: ['slots_taken!', 'draining!'] }, undefined],
    [{ code: 'rate_limited', earlier: ['rate_limited', 'rate_limited!'] }, undefined],
    // What is asked for is waited, and never less than our own pause.
    [{ code: 'agent_restarted', retry_after_ms: 90_000 }, 90_000],
    [{ code: 'agent_restarted', retry_after_ms: 5 }, 1_000],
    // The agent keeps this pause, on its cooldown; the task may go to another one.
    [{ code: 'rate_limited', retry_after_ms: 90_000 }, 1_000],
    [{ code: 'quota_exhausted', retry_after_ms: 3_600_000 }, 1_000],
    [{ code: 'model_unavailable', retry_after_ms: 90_000 }, 1_000],
  ] as const satisfies [Failure, number | undefined][])(
    '%j is tried again after %s ms',
    (failure, expected) => {
      expect(pause(failure)).toBe(expected);
    },
  );

  test('pauses longer each time, up to a minute', () => {
    const earlier = Array.from({ length: 20 }, () => 'cli_crashed!' as const);
    expect(pause({ code: 'cli_crashed', earlier, options: { max_attempts: 100 } })).toBe(60_000);
  });

  test('spreads its pause over half of itself', () => {
    expect(pause({ code: 'cli_crashed', random: 0 })).toBe(500);
    expect(pause({ code: 'cli_crashed', random: 0.5 })).toBe(750);
  });
});

describe('an attempt that its agent is not set up for', () => {
  test.each([
    'auth_refused',
    'cli_not_signed_in',
    'cli_missing',
    'node_version_missing',
    'version_mismatch',
    'model_not_found',
    'endpoint_unreachable',
    'context_too_long',
    'prompt_too_large',
  ] as const)('and that failed with %s goes on at once when the chain has another agent', code => {
    expect(pause({ code, elsewhere: true })).toBe(0);
    expect(pause({ code, elsewhere: true, earlier: ['cli_crashed!'] })).toBe(0);
  });

  test('uses up one of its attempts all the same', () => {
    expect(pause({ code: 'auth_refused', elsewhere: true, options: { max_attempts: 1 } })).toBeUndefined();
    expect(
      pause({ code: 'auth_refused', elsewhere: true, earlier: ['cli_missing!', 'model_not_found!'] }),
    ).toBeUndefined();
  });

  test.each(['task_timeout', 'safety_refused', 'output_too_large'] as const)(
    'but failed with %s, which another agent would too, does not',
    code => {
      expect(pause({ code, elsewhere: true })).toBeUndefined();
    },
  );

  test('and that refuses it as one that it cannot do goes on as well', () => {
    expect(pause({ code: 'model_not_found', refused: true, elsewhere: true })).toBe(0);
  });
});

describe('a refused attempt', () => {
  test.each([
    'slots_taken',
    'agent_starting',
    'agent_disabled',
    'agent_not_registered',
    'not_permitted',
    'version_mismatch',
    'endpoint_unreachable',
    'draining',
    'outbox_full',
    'wrong_instance',
    'agent_unknown',
    'attempt_refused',
    'attempt_unknown',
    'cli_missing',
    'cli_not_signed_in',
    'auth_refused',
    'node_version_missing',
    'rate_limited',
    'quota_exhausted',
    'model_unavailable',
  ] as const)('with %s is offered again, even of a task that may run only once', code => {
    expect(pause({ code, refused: true, options: { max_attempts: 1 } })).toBe(250);
  });

  test.each([
    [['slots_taken~'], 500],
    [['slots_taken~', 'draining~'], 1_000],
    [['slots_taken~', 'cli_crashed!'], 500],
    [Array.from({ length: 30 }, () => 'slots_taken~' as const), 5_000],
  ] as const)('after %j is offered again in %d ms', (earlier, expected) => {
    expect(pause({ code: 'slots_taken', refused: true, earlier })).toBe(expected);
  });

  test.each(['model_not_found', 'prompt_too_large', 'invalid_request'] as const)(
    'with %s, which speaks of the task, is final',
    code => {
      expect(pause({ code, refused: true })).toBeUndefined();
    },
  );

  test('is never final, however often it is refused', () => {
    const earlier = Array.from({ length: 5_000 }, () => 'slots_taken~' as const);
    expect(pause({ code: 'slots_taken', refused: true, earlier })).toBe(5_000);
  });
});
