import { describe, expect, test } from 'vitest';
import { measure } from '../../../coordinator/baseline/measure.ts';
import { CcliError, type ErrorCode } from '../../../protocol/errors.ts';

const never = new AbortController().signal;

/** Runs that end as the list says: in so many milliseconds, or with a code. */
function scripted(ends: readonly (number | ErrorCode)[]): () => Promise<{ whole_ms: number }> {
  let turn = 0;
  return () => {
    const end = ends[turn];
    turn += 1;
    if (typeof end === 'number') return Promise.resolve({ whole_ms: end });
    return Promise.reject(new CcliError(end ?? 'internal'));
  };
}

describe('a series of runs', () => {
  test('counts what failed by its code and keeps its time out of the samples', async () => {
    const sample = scripted([10, 'model_unavailable', 20, 'cli_crashed', 'model_unavailable', 30]);
    const measured = await measure({ runs: 6, at_a_time: 1, sample, signal: never });
    expect(measured).toMatchObject({
      whole_ms: [10, 20, 30],
      failures: { model_unavailable: 2, cli_crashed: 1 },
      not_run: 0,
    });
  });

  test('stops after three failures in a row, and says how many runs were left out', async () => {
    const sample = scripted([10, 'rate_limited', 'rate_limited', 'rate_limited', 20]);
    const measured = await measure({ runs: 10, at_a_time: 1, sample, signal: never });
    expect(measured).toMatchObject({ whole_ms: [10], failures: { rate_limited: 3 }, not_run: 6 });
    expect(measured.error?.code).toBe('rate_limited');
  });

  test('has as many under way as it was asked for, and never more', async () => {
    let open = 0;
    let most = 0;
    const sample = async (): Promise<{ whole_ms: number }> => {
      open += 1;
      most = Math.max(most, open);
      await new Promise(setImmediate);
      open -= 1;
      return { whole_ms: 1 };
    };
    const measured = await measure({ runs: 9, at_a_time: 4, sample, signal: never });
    expect(most).toBe(4);
    expect(measured.whole_ms).toHaveLength(9);
  });

  test('that is interrupted rejects once every run has ended, and begins no other', async () => {
    const interrupted = new AbortController();
    let ended = 0;
    let begun = 0;
    const sample = async (signal: AbortSignal): Promise<{ whole_ms: number }> => {
      begun += 1;
      if (begun === 2) interrupted.abort(new CcliError('cancelled'));
      await new Promise(setImmediate);
      ended += 1;
      signal.throwIfAborted();
      return { whole_ms: 1 };
    };
    const measuring = measure({ runs: 10, at_a_time: 2, sample, signal: interrupted.signal });
    await expect(measuring).rejects.toMatchObject({ code: 'cancelled' });
    expect({ begun, ended }).toEqual({ begun: 2, ended: 2 });
  });

  test('takes an error that is not ours for an internal one', async () => {
    const sample = (): Promise<never> => Promise.reject(new Error('of another kind'));
    const measured = await measure({ runs: 1, at_a_time: 1, sample, signal: never });
    expect(measured.failures).toEqual({ internal: 1 });
  });
});
