/** What a bootstrap has come to, for people. */
import type { StepReport } from '../../bootstrap/step.ts';
import type { Summary } from '../../bootstrap/summary.ts';
import type { Colors } from './colors.ts';
import { duration } from './quantity.ts';
import { properties } from './table.ts';

const MARKS = { done: '✓', unchanged: '=', would: '?', failed: '✗' } as const;

/** `✓ upload     uploaded 0.1.0 (1.2 s)` */
export function stepLine({ step, outcome, says, took_ms }: StepReport, colors: Colors): string {
  const paint = { done: colors.green, unchanged: colors.dim, would: colors.yellow, failed: colors.red }[
    outcome
  ];
  const what = outcome === 'unchanged' ? `unchanged: ${says}` : outcome === 'failed' ? 'failed' : says;
  return `${paint(MARKS[outcome])} ${step.padEnd(9)} ${what} ${colors.dim(`(${duration(took_ms)})`)}`;
}

export function summaryText(summary: Summary, colors: Colors): string {
  const steps = summary.steps.map(({ step, took_ms }) => `${step} ${duration(took_ms)}`).join(', ');
  const table = properties(
    [
      ['host', summary.host],
      ['node', summary.node],
      ['version', summary.version],
      ['node.js', summary.node_js],
      ['gemini', summary.gemini],
      ['agents', summary.agents.join(', ') || 'none'],
      ['service', `${summary.unit} (${summary.service})`],
      ['state', summary.state_dir],
      ['nats', summary.nats_url],
      ['took', steps],
    ],
    colors,
  );
  return `${table}\n${colors.dim('For tasks over SSH while NATS is away, in the file of the coordinator:')}\n${summary.coordinator_settings}\n`;
}
