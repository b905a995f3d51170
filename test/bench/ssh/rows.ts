/** The table of the roads: what each costs beyond the bare session, and how that compares with the seed's road. */
import { median, quantile } from '../../../coordinator/baseline/statistics.ts';
import { figures, ms } from '../table.ts';

export interface RoadRow {
  readonly road: string;
  readonly runs: number;
  readonly median_ms: number;
  readonly p90_ms: number;
  /** Median of the differences to the bare session within the rounds. */
  readonly overhead_ms: number;
  /** How many times less than the overhead of the seed's road. */
  readonly times_less?: number;
}

interface RowsOptions {
  /** The road that the others are held against. */
  readonly bare: string;
  readonly seed: string;
}

export function rowsOf(
  samples: ReadonlyMap<string, readonly number[]>,
  { bare, seed }: RowsOptions,
): RoadRow[] {
  const floor = samples.get(bare) ?? [];
  const over = (road: readonly number[]): number =>
    median(road.map((took_ms, round) => took_ms - (floor[round] ?? Number.NaN)));
  const seed_overhead_ms = over(samples.get(seed) ?? []);
  return [...samples].map(([road, all]) => {
    const overhead_ms = over(all);
    return {
      road,
      runs: all.length,
      median_ms: median(all),
      p90_ms: quantile(all, 0.9),
      overhead_ms,
      // Below a tenth of a millisecond it is noise, and a ratio to it says nothing.
      ...(road !== bare && { times_less: seed_overhead_ms / Math.max(overhead_ms, 0.1) }),
    };
  });
}

export const renderRows = (rows: readonly RoadRow[]): string =>
  figures(
    ['road (ms, whole answer)', 'runs', 'median', 'p90', 'overhead', 'times less'],
    rows.map(({ road, runs, median_ms, p90_ms, overhead_ms, times_less }) => [
      road,
      String(runs),
      ms(median_ms),
      ms(p90_ms),
      ms(overhead_ms),
      times_less === undefined ? '' : times_less.toFixed(times_less < 10 ? 1 : 0),
    ]),
  );
