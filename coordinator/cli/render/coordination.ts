/** Coordinations for people: the plan as a table, and the head of each answer. */
import type { CoordinateReply, Part } from '../../../protocol/coordination.ts';
import type { Colors } from './colors.ts';
import { duration } from './quantity.ts';
import { table } from './table.ts';

export function planTable(parts: readonly Part[], colors: Colors): string {
  const head = ['AGENT', 'NODE', 'TYPE', 'SPECIALTY', 'TASK', 'WHY'];
  const rows = parts.map(part => [
    part.agent_id,
    part.node ?? '-',
    part.agent_type ?? '-',
    part.specialty,
    part.role === 'judge' ? 'judge' : part.task_type,
    part.why,
  ]);
  return table(head, rows, colors);
}

/** A heading that also reads well in a file of Markdown. */
export function answerHead(part: Part, colors: Colors): string {
  const partial = part.status === 'completed' ? [] : [`${part.status}, in part`];
  return colors.bold(`## ${part.agent_id} (${[...factsOf(part), ...partial].join(', ')})`);
}

function factsOf(part: Part): string[] {
  const { agent_type, task_type, execution_time_ms } = part;
  return [
    ...(agent_type === undefined ? [] : [agent_type]),
    task_type,
    ...(execution_time_ms === undefined ? [] : [duration(execution_time_ms)]),
  ];
}

/** Who gave the one answer, and how it came to be that one. */
export function whoAnswered(reply: CoordinateReply): string | undefined {
  const part = reply.parts.find(({ task_id }) => task_id === reply.answer_task_id);
  if (part === undefined) return undefined;
  const by = `${part.agent_id} (${factsOf(part).join(', ')})`;
  const how = part.role === 'judge' ? `combined by ${by}` : `answered by ${by}`;
  return reply.reason === undefined ? how : `${how}: ${reply.reason}`;
}
