/** What `ccli bench` measured, for people. */
import type { Baseline, Series } from '../../baseline/baseline.ts';
import type { Comparison } from '../../baseline/compare.ts';
import { median, quantile } from '../../baseline/statistics.ts';
import { safeForTerminal } from '../output.ts';
import type { Colors } from './colors.ts';
import { table } from './table.ts';

const HEAD = ['RUN', 'MEDIAN', 'P95', 'MIN', 'RUNS', 'PER SECOND', 'FAILED', 'BEFORE', 'CHANGE'];
const NONE = '-';

/** A table for each agent or host. */
export function baselineReport(
  baseline: Baseline,
  comparisons: readonly Comparison[],
  colors: Colors,
): string {
  const subjects = [...new Set(baseline.series.map(({ subject }) => subject))];
  const tables = subjects.map(subject => {
    const series = baseline.series.filter(one => one.subject === subject);
    const rows = series.flatMap(one => rowsOf(one, comparisonOf(one, comparisons), colors));
    return `${heading(series, colors)}${table(HEAD, rows, colors)}`;
  });
  const changed = new Set(comparisons.flatMap(one => one.changed.map(what => `${one.subject}: ${what}`)));
  const notes = [...baseline.notes, ...changed].map(note => `${colors.dim(safeForTerminal(note))}\n`);
  return [...tables, ...(notes.length > 0 ? [notes.join('')] : [])].join('\n');
}

function heading(series: readonly Series[], { bold, dim }: Colors): string {
  const [first] = series;
  if (first === undefined) return '';
  const { node, driver, transport } = first.conditions;
  const about =
    driver === undefined
      ? 'over SSH alone'
      : `${driver} on ${node ?? 'a node'}, over ${transport === 'nats' ? 'NATS' : (transport ?? 'NATS')}`;
  const versions = Object.entries({ ...series.at(-1)?.versions }).map(
    ([what, version]) => `${what} ${version}`,
  );
  return `${bold(first.subject)} ${dim(safeForTerminal([about, ...versions].join(', ')))}\n`;
}

const comparisonOf = (series: Series, comparisons: readonly Comparison[]): Comparison | undefined =>
  comparisons.find(
    one => one.subject === series.subject && one.kind === series.kind && one.at_a_time === series.at_a_time,
  );

function rowsOf(series: Series, before: Comparison | undefined, colors: Colors): string[][] {
  const { whole_ms, first_chunk_ms, kind, wall_ms } = series;
  const figures = (samples: readonly number[]): string[] =>
    samples.length === 0
      ? [NONE, NONE, NONE, '0']
      : [
          time(median(samples)),
          time(quantile(samples, 0.95)),
          time(Math.min(...samples)),
          String(samples.length),
        ];
  const asked = kind === 'warm' || kind === 'cold';
  const whole = [
    asked ? `${nameOf(series)}, whole answer` : nameOf(series),
    ...figures(whole_ms),
    kind.startsWith('ssh') || whole_ms.length === 0 ? NONE : (whole_ms.length / (wall_ms / 1_000)).toFixed(1),
    failures(series, colors),
    before === undefined ? NONE : time(before.before_median_ms),
    before === undefined ? NONE : change(before, colors),
  ];
  if (!asked || first_chunk_ms.length === 0) return [whole];
  return [[`${nameOf(series)}, first chunk`, ...figures(first_chunk_ms), NONE, NONE, NONE, NONE], whole];
}

const NAMES: Readonly<Record<Series['kind'], string>> = {
  warm: 'warm',
  cold: 'cold',
  concurrent: 'at a time',
  ssh_connect: 'new SSH connection',
  ssh_command: 'empty command by SSH',
  ssh_cli: 'CLI by SSH, no fleet',
};

export const nameOf = ({ kind, at_a_time }: Pick<Series, 'kind' | 'at_a_time'>): string =>
  kind === 'concurrent' ? `${at_a_time} ${NAMES.concurrent}` : NAMES[kind];

function failures({ failures: by_code, not_run }: Series, { red, dim }: Colors): string {
  const failed = Object.entries(by_code).map(([code, times]) => red(`${times} ${code}`));
  const left_out = not_run > 0 ? [dim(`${not_run} not run`)] : [];
  return [...failed, ...left_out].join(', ') || NONE;
}

function change({ ratio, verdict }: Comparison, { red, green, dim }: Colors): string {
  const times = `x${ratio.toFixed(2)}`;
  switch (verdict) {
    case 'slower':
      return red(`${times} slower`);
    case 'faster':
      return green(`${times} faster`);
    case 'same':
      return dim(`${times} within its spread`);
    case 'unclear':
      return dim(`${times} too few runs`);
  }
}

/** Finer than `duration`: what is compared must not be rounded away. */
const time = (ms: number): string =>
  ms < 10 ? `${ms.toFixed(1)} ms` : ms < 10_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
