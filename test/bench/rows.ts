/** One line of a comparison: ours against its limit, and whether that is within what is allowed. */

import { median, quantile } from '../../coordinator/baseline/statistics.ts';
import type { Pair } from './pairs.ts';
import { figures, ms } from './table.ts';

interface Summary {
  readonly median_ms: number;
  readonly p90_ms: number;
}

export interface Row {
  readonly name: string;
  readonly pairs: number;
  readonly limit: Summary;
  readonly ours: Summary;
  /** Difference of the medians. */
  readonly over_ms: number;
  /** Median of the differences within the pairs: the two part where the machine was busy with other things. */
  readonly over_in_pairs_ms: number;
  readonly ratio: number;
  readonly allowed_ms: number;
  readonly verdict: 'ok' | 'OVER';
}

export function compare(name: string, pairs: readonly Pair<number>[], allowed_ms: number): Row {
  const limit = summarize(pairs.map(pair => pair.limit));
  const ours = summarize(pairs.map(pair => pair.ours));
  const over_ms = ours.median_ms - limit.median_ms;
  return {
    name,
    pairs: pairs.length,
    limit,
    ours,
    over_ms,
    over_in_pairs_ms: median(pairs.map(pair => pair.ours - pair.limit)),
    ratio: ours.median_ms / limit.median_ms,
    allowed_ms,
    verdict: over_ms <= allowed_ms ? 'ok' : 'OVER',
  };
}

const summarize = (samples: readonly number[]): Summary => ({
  median_ms: median(samples),
  p90_ms: quantile(samples, 0.9),
});

const HEAD = [
  'row (ms)',
  'pairs',
  'limit',
  'p90',
  'ours',
  'p90',
  'over',
  'in pairs',
  'ratio',
  'allowed',
  'verdict',
];

export const renderRows = (rows: readonly Row[]): string =>
  figures(
    HEAD,
    rows.map(row => [
      row.name,
      String(row.pairs),
      ms(row.limit.median_ms),
      ms(row.limit.p90_ms),
      ms(row.ours.median_ms),
      ms(row.ours.p90_ms),
      ms(row.over_ms),
      ms(row.over_in_pairs_ms),
      row.ratio.toFixed(2),
      ms(row.allowed_ms),
      row.verdict,
    ]),
  );
