/** The sides in figures. */
import { quantile } from '../../../coordinator/baseline/statistics.ts';
import { figures, ms } from '../table.ts';
import type { Batch } from './batch.ts';

/** What ccli may add of its own when CLIs misbehave. */
const ALLOWED_RATIO = 1.25;

export interface Sides {
  /** Nobody misbehaves. */
  readonly without: Batch[];
  /** The tools misbehave beside the fleet, through no part of it. */
  readonly outside: Batch[];
  /** The CLI agents of the node do as many tasks, and do them well. */
  readonly behaving: Batch[];
  /** They misbehave. */
  readonly with: Batch[];
}

export interface Row {
  readonly name: string;
  /** For information: what the processors cost that the tools take, and what tasks cost whoever they are for. */
  readonly without_ms: number;
  readonly outside_ms: number;
  readonly behaving_ms: number;
  readonly with_ms: number;
  /** `with` over `behaving`. */
  readonly ratio: number;
  readonly verdict: 'ok' | 'OVER';
}

export const compare = (sides: Sides): Row[] => [row('p50', 0.5, sides), row('p95', 0.95, sides)];

function row(name: string, q: number, sides: Sides): Row {
  const of = (batches: readonly Batch[]): number =>
    quantile(
      batches.flatMap(batch => batch.took_ms),
      q,
    );
  const [behaving_ms, with_ms] = [of(sides.behaving), of(sides.with)];
  const ratio = with_ms / behaving_ms;
  const verdict = ratio <= ALLOWED_RATIO ? 'ok' : 'OVER';
  const beside = { without_ms: of(sides.without), outside_ms: of(sides.outside) };
  return { name, ...beside, behaving_ms, with_ms, ratio, verdict };
}

export const failures = (batches: readonly Batch[]): number =>
  batches.reduce((sum, { failed }) => sum + failed, 0);

export const render = (rows: readonly Row[]): string =>
  figures(
    ['row (ms)', 'without', 'outside', 'behaving', 'with', 'with/behaving', 'allowed', 'verdict'],
    rows.map(row => [
      `Ollama task, ${row.name}`,
      ms(row.without_ms),
      ms(row.outside_ms),
      ms(row.behaving_ms),
      ms(row.with_ms),
      row.ratio.toFixed(2),
      ALLOWED_RATIO.toFixed(2),
      row.verdict,
    ]),
  );
