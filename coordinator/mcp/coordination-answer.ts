/** A coordination as its tool answers with it, cut to what one result takes. */
import { z } from 'zod';
import { SpecialtySchema } from '../../protocol/agent.ts';
import type { CoordinateReply, Part } from '../../protocol/coordination.ts';
import { StrategySchema } from '../../protocol/coordination.ts';
import { TaskStatusSchema } from '../../protocol/task.ts';
import { FailureSchema, MOST_CHARS } from './task-answer.ts';
import type { Answer } from './tool.ts';

const PartAnswerSchema = z.object({
  task_id: z.string(),
  agent_id: z.string().optional(),
  role: z.enum(['answer', 'judge']).optional(),
  specialty: SpecialtySchema.optional(),
  status: z.enum(['planned', ...TaskStatusSchema.options]),
  response: z.string().optional().describe('With strategy "all"; get_task has the others'),
  response_cut: z.literal(true).optional().describe('get_task with its task_id has the whole response'),
  execution_time_ms: z.number().optional(),
  error: FailureSchema.optional(),
});

export const CoordinationAnswerSchema = z.object({
  coordination_id: z.string(),
  strategy: StrategySchema,
  status: z
    .enum(['running', 'completed', 'partial', 'failed', 'planned'])
    .describe('partial: there is an answer, and not every agent contributed to it'),
  answer: z.string().optional().describe('The one answer of the strategies first, best and synthesize'),
  answer_cut: z.literal(true).optional(),
  answered_by: z.string().optional(),
  reason: z.string().optional().describe('Why the answer was picked'),
  parts: z.array(PartAnswerSchema),
  notes: z.array(z.string()),
  took_ms: z.int().optional(),
  next: z.string().optional(),
});
export type CoordinationAnswer = Answer<typeof CoordinationAnswerSchema>;

export function coordinationAnswer(reply: CoordinateReply): CoordinationAnswer {
  const { coordination_id, strategy, status, answer, answered_by, reason, notes, took_ms, answer_task_id } =
    reply;
  const single = answer !== undefined;
  const most = Math.floor(MOST_CHARS / Math.max(1, reply.parts.length));
  const parts = reply.parts.map(part => partAnswer(part, single ? 0 : most));
  const shown = single ? answer.slice(0, MOST_CHARS) : undefined;
  const cut = single && (reply.answer_cut === true || shown !== answer);
  const next =
    cut && answer_task_id !== undefined
      ? `The answer is longer: get_task with task_id "${answer_task_id}" has all of it.`
      : undefined;
  return {
    structured: {
      coordination_id,
      strategy,
      status,
      ...(shown !== undefined && { answer: shown }),
      ...(cut && { answer_cut: true as const }),
      ...(answered_by !== undefined && { answered_by }),
      ...(reason !== undefined && { reason }),
      parts,
      notes,
      took_ms,
      ...(next !== undefined && { next }),
    },
    text: [
      ...(shown === undefined
        ? parts.map(partText)
        : [shown, ...(reason === undefined ? [] : [`Why: ${reason}`])]),
      [`Coordination ${coordination_id}: ${status}.`, ...notes, ...(next === undefined ? [] : [next])].join(
        ' ',
      ),
    ],
  };
}

type PartAnswer = z.output<typeof PartAnswerSchema>;

function partAnswer(part: Part, most: number): PartAnswer {
  const { task_id, agent_id, role, specialty, status, response, error, execution_time_ms } = part;
  const shown = most === 0 ? undefined : response?.slice(0, most);
  const cut = shown !== undefined && (part.response_cut === true || shown !== response);
  return {
    task_id,
    agent_id,
    role,
    specialty,
    status,
    ...(shown !== undefined && { response: shown }),
    ...(cut && { response_cut: true as const }),
    ...(execution_time_ms !== undefined && { execution_time_ms }),
    ...(error !== undefined && { error }),
  };
}

function partText({
  task_id,
  agent_id = task_id,
  status,
  response,
  response_cut,
  error,
}: PartAnswer): string {
  if (response === undefined)
    return `${agent_id}: ${status}${error === undefined ? '' : `: ${error.code}: ${error.message}`}`;
  const rest = response_cut === true ? `\n(cut: get_task with task_id "${task_id}" has all of it)` : '';
  return `${agent_id}:\n${response}${rest}`;
}
