/** The lines to nodes over SSH, read when Prometheus asks. */
import { Gauge, Registry } from 'prom-client';
import type { LinesCounts } from '../open-lines.ts';

export function lineMetrics({ lines, reports }: LinesCounts): Registry {
  const registry = new Registry();
  const registers = [registry];
  const family = (name: string, help: string, read: (line: LinesCounts['lines'][number]) => number): void => {
    const metric = new Gauge({ name, help, labelNames: ['node'], registers });
    for (const line of lines) metric.set({ node: line.node }, read(line));
  };
  // A coordinator without SSH says nothing about it.
  if (lines.length === 0) return registry;
  family('ccli_line_open', 'Whether a line to the node over SSH is open', line => (line.open ? 1 : 0));
  family('ccli_line_opened', 'Lines opened since the start', line => line.opened);
  family('ccli_line_lost', 'Lines that broke off or could not be opened, since the start', line => line.lost);
  family(
    'ccli_line_malformed',
    'Messages dropped since the start because they could not be read',
    line => line.malformed,
  );
  new Gauge({
    name: 'ccli_line_reports',
    help: 'Reports that came over lines and are in the report stream, since the start',
    registers,
  }).set(reports);
  return registry;
}
