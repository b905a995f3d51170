import { describe, expect, test } from 'vitest';
import { counts, type EndedRun, NO_RUNS, summary, withRun } from '../../../node-agent/core/recent.ts';
import { CcliError, type ErrorCode } from '../../../protocol/errors.ts';

const failed = (code: ErrorCode, over: Partial<EndedRun> = {}): EndedRun => ({
  failure: new CcliError(code),
  run_ms: 5,
  ...over,
});
const MINUTE = 60_000;
const after = (runs: readonly EndedRun[], now_ms = 0) =>
  summary(
    runs.reduce((window, run) => withRun(window, run, 0), NO_RUNS),
    now_ms,
  );

describe('the summary of the last runs', () => {
  test('of none is none', () => {
    expect(after([])).toBeUndefined();
    expect(after([failed('cancelled')])).toBeUndefined();
  });

  test('forgets what is a quarter of an hour old, so that an agent that failed then is tried again', () => {
    const old = withRun(NO_RUNS, failed('cli_crashed'), 0);
    expect(summary(withRun(old, { run_ms: 3 }, 10 * MINUTE), 15 * MINUTE)).toMatchObject({
      runs: 2,
      failed: 1,
    });
    expect(summary(withRun(old, { run_ms: 3 }, 10 * MINUTE), 16 * MINUTE)).toMatchObject({
      runs: 1,
      failed: 0,
    });
    expect(summary(old, 16 * MINUTE)).toBeUndefined();
  });

  test('tells the medians of those that succeeded, and how many did not', () => {
    const runs = [30, 10, 20].map(run_ms => ({ run_ms, first_chunk_ms: run_ms / 10 }));
    expect(after([...runs, failed('cli_crashed')])).toEqual({
      runs: 4,
      failed: 1,
      run_ms: 20,
      first_chunk_ms: 2,
    });
    expect(after([{ run_ms: 10 }, { run_ms: 40 }])).toEqual({ runs: 2, failed: 0, run_ms: 10 });
  });

  test('forgets all but the last twenty', () => {
    const many = [...Array.from({ length: 20 }, () => failed('cli_crashed')), { run_ms: 1 }];
    expect(after(many)).toEqual({ runs: 20, failed: 19, run_ms: 1 });
  });
});

describe('a run counts', () => {
  test.each<[EndedRun]>([
    [{ run_ms: 1 }],
    [failed('cli_crashed')],
    [failed('rate_limited')],
    [failed('slow_first_token')],
    [failed('model_not_found')],
    [failed('task_timeout')],
    [failed('internal')],
  ])('when its end says something about the agent (%#)', run => {
    expect(counts(run)).toBe(true);
  });

  test.each<[EndedRun]>([
    [failed('cancelled')],
    [failed('deadline_passed')],
    [failed('prompt_too_large')],
    [failed('context_too_long')],
    [failed('safety_refused')],
    [failed('output_too_large')],
    [failed('invalid_request')],
    [failed('agent_restarted')],
    [failed('model_not_found', { own_model: true })],
    [failed('task_timeout', { own_timeout: true })],
  ])('not when its end says something about the task (%#)', run => {
    expect(counts(run)).toBe(false);
  });
});
