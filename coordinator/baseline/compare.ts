/**
 * Whether a series is slower or faster than it was.
 *
 * The method: each series has a middle half, from its lower to its upper quartile. Two series differ when these do not
 * overlap and their medians are more than 5 % and half a millisecond apart; else the difference is within what the runs
 * of one and the same series differ by, and is called `same`. One slow run moves neither quartile, and a busy machine
 * widens the halves and so makes the verdict more cautious. Fewer than four runs on a side have no quartiles to speak
 * of: `unclear`, and the ratio is for the reader to judge.
 *
 * What is compared is the time of the whole answer, which every kind of series has.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Baseline, Series } from './baseline.ts';
import { median, quantile } from './statistics.ts';

export interface Comparison {
  readonly subject: string;
  readonly kind: Series['kind'];
  readonly at_a_time: number;
  /** When the series that this one is held against was taken. */
  readonly before_at: string;
  readonly before_median_ms: number;
  /** Of the medians; above 1 is slower. */
  readonly ratio: number;
  readonly verdict: 'slower' | 'faster' | 'same' | 'unclear';
  /** Of another version than before: `cli 0.61.0 -> 0.62.0`. */
  readonly changed: readonly string[];
}

const LEAST_RUNS = 4;
const LEAST_SHARE = 0.05;
const LEAST_MS = 0.5;

/** Each series against the newest of `earlier` that was taken under the same conditions, if there is one. */
export function compare(now: Baseline, earlier: readonly Baseline[]): Comparison[] {
  const newest_first = earlier.toSorted((a, b) => (a.taken_at < b.taken_at ? 1 : -1));
  return now.series.flatMap(series => {
    if (series.whole_ms.length === 0) return [];
    for (const baseline of newest_first) {
      const before = baseline.series.find(other => other.whole_ms.length > 0 && comparable(series, other));
      if (before !== undefined) return [compared(series, before, baseline.taken_at)];
    }
    return [];
  });
}

export const comparable = (one: Series, other: Series): boolean =>
  one.subject === other.subject &&
  one.kind === other.kind &&
  one.at_a_time === other.at_a_time &&
  isDeepStrictEqual(one.conditions, other.conditions);

function compared(now: Series, before: Series, before_at: string): Comparison {
  const { subject, kind, at_a_time } = now;
  const before_median_ms = median(before.whole_ms);
  return {
    subject,
    kind,
    at_a_time,
    before_at,
    before_median_ms,
    ratio: median(now.whole_ms) / before_median_ms,
    verdict: judge(now.whole_ms, before.whole_ms),
    changed: Object.keys({ ...before.versions, ...now.versions })
      .filter(what => before.versions[what] !== now.versions[what])
      .map(what => `${what} ${before.versions[what] ?? 'unknown'} -> ${now.versions[what] ?? 'unknown'}`),
  };
}

export function judge(now: readonly number[], before: readonly number[]): Comparison['verdict'] {
  if (now.length < LEAST_RUNS || before.length < LEAST_RUNS) return 'unclear';
  const apart = Math.abs(median(now) - median(before));
  if (apart <= LEAST_MS || apart <= LEAST_SHARE * median(before)) return 'same';
  if (quantile(now, 0.25) > quantile(before, 0.75)) return 'slower';
  if (quantile(now, 0.75) < quantile(before, 0.25)) return 'faster';
  return 'same';
}
