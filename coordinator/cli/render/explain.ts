/** Why a task went where it went, for people. */
import type { OperationReply } from '../../../protocol/operation.ts';
import type { Considered } from '../../../protocol/placement.ts';
import type { Colors } from './colors.ts';
import { table } from './table.ts';

type ExplainReply = OperationReply<'explain'>;

const VERDICT: Record<Considered['verdict'], (colors: Colors) => (text: string) => string> = {
  chosen: ({ green }) => green,
  eligible: () => text => text,
  waiting: ({ yellow }) => yellow,
  excluded: ({ dim }) => dim,
};

export function explanation(reply: ExplainReply, colors: Colors): string {
  const { task_id, attempt, considered, left_out, expired } = reply;
  if (considered.length === 0) return `No agent was considered for ${task_id}.\n`;
  const lines = [
    attempt === undefined
      ? `${task_id} waits for an agent; how each one stands now:`
      : `attempt ${attempt} of ${task_id}:`,
  ];
  if (expired === true)
    lines.push('The record of that choice is no longer kept; the attempt itself tells this much.');
  const head = lines.map(line => `${colors.dim(line)}\n`).join('');
  const rows = considered.map(({ agent_id, node, verdict, why }) => [
    agent_id,
    node,
    VERDICT[verdict](colors)(verdict),
    why,
  ]);
  const rest =
    left_out === 0
      ? ''
      : `${colors.dim(`and ${left_out} more, which stand behind these and are not listed`)}\n`;
  return `${head}${table(['AGENT', 'NODE', 'VERDICT', 'WHY'], rows, colors)}${rest}`;
}
