/** A task as tools answer with it: how it stands, and its response as far as one result takes it. */
import { z } from 'zod';
import { CcliError, fromErrorBody } from '../../protocol/errors.ts';
import type { TaskView } from '../../protocol/operation.ts';
import { CompletenessSchema, isTerminal, TaskStatusSchema, UsageSchema } from '../../protocol/task.ts';
import { fitsMessage } from './message-size.ts';
import type { Answer } from './tool.ts';

/** Clients drop, or refuse, results that would fill the context of their model. */
export const MOST_CHARS = 50_000;

/** Without the list of codes: it would stand in the schema of each tool. */
export const FailureSchema = z.object({
  code: z.string(),
  message: z.string(),
  retryable: z.boolean(),
  retry_after_ms: z.int().optional(),
  cause: z.string().optional(),
});

export const TaskAnswerSchema = z.object({
  task_id: z.string(),
  status: TaskStatusSchema,
  agent_id: z.string().optional(),
  node: z.string().optional(),
  model: z.string().optional(),
  response: z
    .string()
    .optional()
    .describe('The answer of the agent, or the piece of it from response_offset'),
  response_offset: z.int().optional().describe('How many characters of the answer come before this piece'),
  response_chars: z.int().optional().describe('Length of the whole answer'),
  completeness: CompletenessSchema.optional(),
  usage: UsageSchema.optional(),
  execution_time_ms: z.number().optional(),
  attempts: z.int(),
  waiting_for: z.string().optional().describe('Why a queued task has not been given to an agent'),
  error: FailureSchema.optional(),
  next: z.string().optional().describe('What to do to get the rest'),
});
export type TaskAnswer = Answer<typeof TaskAnswerSchema>;

/** Its response is here whole, however long. */
export type WholeTask = Omit<TaskView, 'response_ref'>;

/** @param offset characters of the response to leave out at its beginning */
export function taskAnswer(task: WholeTask, offset = 0): TaskAnswer {
  const { response, completeness, usage, model, execution_time_ms, waiting_for, error } = task;
  const piece = response === undefined ? undefined : pieceOf(response, offset);
  const next = nextStep(task, piece);
  return {
    structured: {
      task_id: task.task_id,
      status: task.status,
      ...(task.agent_id !== undefined && { agent_id: task.agent_id }),
      ...(task.node !== undefined && { node: task.node }),
      ...(model !== undefined && { model }),
      ...(piece !== undefined && {
        response: piece.text,
        response_offset: piece.from,
        response_chars: piece.of,
      }),
      ...(completeness !== undefined && { completeness }),
      ...(usage !== undefined && { usage }),
      ...(execution_time_ms !== undefined && { execution_time_ms }),
      attempts: task.attempts.length,
      ...(waiting_for !== undefined && { waiting_for }),
      ...(error !== undefined && { error }),
      ...(next !== undefined && { next }),
    },
    text: [
      ...(piece === undefined ? [] : [piece.text]),
      `${sentence(task)}${next === undefined ? '' : ` ${next}`}`,
    ],
  };
}

/** A tool that was to bring an answer fails when its task does. @throws CcliError */
export function refuseFailure(task: WholeTask): void {
  if (task.status === 'cancelled')
    throw new CcliError('cancelled', `The task ${task.task_id} was cancelled.`);
  if (task.status !== 'failed') return;
  const { task_id, error, attempts } = task;
  const tries = attempts.length > 1 ? ` after ${attempts.length} attempts` : '';
  const part = task.response === undefined ? '' : '; get_task has the part of its answer that came';
  const failed = `The task ${task_id} failed${tries}${part}.`;
  if (error === undefined) throw new CcliError('internal', failed);
  throw fromErrorBody({ ...error, message: `${error.message} ${failed}` });
}

interface Piece {
  readonly text: string;
  readonly from: number;
  readonly to: number;
  readonly of: number;
}

function pieceOf(response: string, offset: number): Piece {
  const from = Math.min(offset, response.length);
  const whole = response.length - from <= MOST_CHARS;
  // A character of two halves stays in one piece.
  const end = from + MOST_CHARS;
  const to = whole ? response.length : isLowHalf(response, end) ? end - 1 : end;
  return { text: response.slice(from, to), from, to, of: response.length };
}

const isLowHalf = (text: string, index: number): boolean => {
  const code = text.charCodeAt(index);
  return code >= 0xdc00 && code <= 0xdfff;
};

function nextStep(
  { task_id, status, response = '' }: WholeTask,
  piece: Piece | undefined,
): string | undefined {
  if (!isTerminal(status))
    return `Nothing is lost: call get_task with task_id "${task_id}" and wait_s 50, again until it has ended; cancel_task ends it early.`;
  if (piece === undefined || piece.to === piece.of) return undefined;
  const whole = fitsMessage(response)
    ? `, or read the resource ccli://tasks/${task_id}/response for all of it`
    : '';
  return `The answer has ${piece.of} characters, of which these are ${piece.from} to ${piece.to}: call get_task with task_id "${task_id}" and response_offset ${piece.to} for more${whole}.`;
}

function sentence(task: WholeTask): string {
  const { task_id, status, agent_id, waiting_for, error, execution_time_ms } = task;
  const where = agent_id === undefined ? '' : ` on ${agent_id}`;
  switch (status) {
    case 'queued':
      return `Task ${task_id} is queued${waiting_for === undefined ? '.' : `: ${waiting_for}`}`;
    case 'assigned':
    case 'running':
      return `Task ${task_id} is ${status === 'assigned' ? 'about to run' : 'running'}${where}.`;
    case 'completed': {
      const took = execution_time_ms === undefined ? '' : ` in ${(execution_time_ms / 1_000).toFixed(1)} s`;
      return `Task ${task_id} completed${where}${took}.`;
    }
    case 'failed':
      return `Task ${task_id} failed${where}${error === undefined ? '' : `: ${error.code}: ${error.message}`}`;
    case 'cancelled':
      return `Task ${task_id} was cancelled${task.stop_confirmed === false ? '; its node has not confirmed that it stopped' : ''}.`;
  }
}
