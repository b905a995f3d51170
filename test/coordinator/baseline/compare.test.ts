import { describe, expect, test } from 'vitest';
import type { Baseline, Series } from '../../../coordinator/baseline/baseline.ts';
import { compare, judge } from '../../../coordinator/baseline/compare.ts';

const series = (whole_ms: readonly number[], over: Partial<Series> = {}): Series => ({
  subject: 'walnut-gemini',
  kind: 'warm',
  at_a_time: 1,
  conditions: { prompt: 'p', transport: 'nats' },
  versions: { cli: '0.61.0' },
  whole_ms: [...whole_ms],
  first_chunk_ms: [],
  failures: {},
  not_run: 0,
  wall_ms: 1_000,
  ...over,
});

const baseline = (taken_at: string, ...all: Series[]): Baseline => ({
  v: 1,
  name: 'walnut-gemini',
  taken_at,
  ccli_version: '0.1.0',
  prompt_bytes: 2,
  series: all,
  notes: [],
});

const monday = '2026-11-23T08:00:00.000Z';
const tuesday = '2026-11-24T08:00:00.000Z';
const wednesday = '2026-11-25T08:00:00.000Z';

describe('a series against an earlier one', () => {
  test.each([
    ['clearly apart', [200, 202, 204, 206], [100, 101, 102, 103], 'slower'],
    ['clearly apart the other way', [100, 101, 102, 103], [200, 202, 204, 206], 'faster'],
    ['apart, but each as wide as the gap', [90, 120, 150, 180], [80, 105, 130, 155], 'same'],
    ['apart by less than 5 %', [103, 103, 103, 103], [100, 100, 100, 100], 'same'],
    ['apart by less than half a millisecond', [1.4, 1.4, 1.4, 1.4], [1, 1, 1, 1], 'same'],
    ['moved by one slow run', [100, 101, 102, 9_000], [100, 101, 102, 103], 'same'],
    ['of three runs', [200, 200, 200], [100, 100, 100, 100], 'unclear'],
  ] as const)('%s', (_, now, before, verdict) => {
    expect(judge(now, before)).toBe(verdict);
  });

  test('tells the ratio of the medians, when the other was taken, and which versions have changed', () => {
    const before = baseline(monday, series([100, 100, 100, 100]));
    const now = baseline(tuesday, series([300, 300, 300, 300], { versions: { cli: '0.62.0' } }));
    expect(compare(now, [before])).toEqual([
      {
        subject: 'walnut-gemini',
        kind: 'warm',
        at_a_time: 1,
        before_at: monday,
        before_median_ms: 100,
        ratio: 3,
        verdict: 'slower',
        changed: ['cli 0.61.0 -> 0.62.0'],
      },
    ]);
  });

  test('is held against the newest one under the same conditions, past newer ones under others', () => {
    const long_ago = baseline(monday, series([50, 50, 50, 50]));
    const by_ssh = baseline(tuesday, series([9, 9, 9, 9], { conditions: { prompt: 'p', transport: 'ssh' } }));
    const now = baseline(wednesday, series([50, 50, 50, 50]));
    expect(compare(now, [by_ssh, long_ago])).toMatchObject([{ before_at: monday, verdict: 'same' }]);
    expect(compare(now, [by_ssh])).toEqual([]);
  });

  test('is not held against one of another kind, or of another number at a time', () => {
    const now = baseline(tuesday, series([50, 50, 50, 50], { kind: 'concurrent', at_a_time: 4 }));
    const cold = series([1, 1, 1, 1], { kind: 'cold' });
    const two = series([1, 1, 1, 1], { kind: 'concurrent', at_a_time: 2 });
    expect(compare(now, [baseline(monday, cold, two)])).toEqual([]);
  });

  test('says nothing when no run of it succeeded, now or then', () => {
    const failed = baseline(monday, series([], { failures: { rate_limited: 3 } }));
    const good = baseline(tuesday, series([50, 50, 50, 50]));
    expect(compare(good, [failed])).toEqual([]);
    expect(compare(failed, [good])).toEqual([]);
  });
});
