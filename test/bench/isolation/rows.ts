/** The three sides in figures. */
import { quantile } from '../statistics.ts';
import { figures, ms } from '../table.ts';
import type { Batch } from './batch.ts';

/** What ccli may add of its own when CLIs misbehave. */
const ALLOWED_RATIO = 1.25;

export interface Sides {
  /** Nobody misbehaves. */
  readonly without: Batch[];
  /** The tools misbehave beside the fleet, through no part of it. */
  readonly outside: Batch[];
  /** The tools misbehave as CLI agents of the node. */
  readonly with: Batch[];
}

export interface Row {
  readonly name: string;
  /** For information: how much slower the others are is mostly the processors that the tools take. */
  readonly without_ms: number;
  readonly outside_ms: number;
  readonly with_ms: number;
  /** `with` over `outside`. */
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
  const [outside_ms, with_ms] = [of(sides.outside), of(sides.with)];
  const ratio = with_ms / outside_ms;
  const verdict = ratio <= ALLOWED_RATIO ? 'ok' : 'OVER';
  return { name, without_ms: of(sides.without), outside_ms, with_ms, ratio, verdict };
}

export const failures = (batches: readonly Batch[]): number =>
  batches.reduce((sum, { failed }) => sum + failed, 0);

export const render = (rows: readonly Row[]): string =>
  figures(
    ['row (ms)', 'without', 'outside', 'with', 'with/outside', 'allowed', 'verdict'],
    rows.map(row => [
      `Ollama task, ${row.name}`,
      ms(row.without_ms),
      ms(row.outside_ms),
      ms(row.with_ms),
      row.ratio.toFixed(2),
      ALLOWED_RATIO.toFixed(2),
      row.verdict,
    ]),
  );
