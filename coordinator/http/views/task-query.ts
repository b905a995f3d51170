/** What the addresses of tasks take besides their path. */
import { z } from 'zod';
import { NameSchema } from '../../../protocol/agent.ts';
import { MAX_WAIT_MS } from '../../../protocol/limits.ts';
import { ListRequestSchema } from '../../../protocol/operation.ts';
import { TASK_STATUSES, TaskIdSchema } from '../../../protocol/task.ts';

/** `?x=a,b`, `?x=a&x=b`, or both. */
export const severalOf = <const V extends string>(values: readonly V[]) =>
  z
    .preprocess(
      given => [given].flat().flatMap(part => (typeof part === 'string' ? part.split(',') : [part])),
      z.array(z.enum(values)),
    )
    // Of what a preprocess takes, a schema can say nothing by itself.
    .meta({ type: 'array', items: { type: 'string', enum: [...values] } });

/** As the wire has it. */
const PAGE_MAX = 500;

export const TaskPathSchema = z.object({ id: TaskIdSchema });

export const TaskListQuerySchema = z.strictObject({
  status: severalOf(TASK_STATUSES).optional().describe('One, or several separated by commas.'),
  agent_id: NameSchema.optional().describe('Of the current or last attempt.'),
  node: NameSchema.optional().describe('Of the current or last attempt.'),
  caller: NameSchema.optional(),
  group: TaskIdSchema.optional(),
  session_id: TaskIdSchema.optional(),
  retry_of: TaskIdSchema.optional(),
  limit: z.coerce.number().int().positive().max(PAGE_MAX).optional().describe('Of one page.'),
  cursor: ListRequestSchema.shape.cursor.describe('From the page before.'),
});

export const TaskShowQuerySchema = z.strictObject({
  wait: z.coerce
    .number()
    .nonnegative()
    .max(MAX_WAIT_MS / 1000)
    .optional()
    .describe('Longest to wait for the end, in seconds, before the answer tells how the task stands.'),
});

export const TaskExplainQuerySchema = z.strictObject({
  attempt: z.coerce.number().int().positive().optional().describe('The last one otherwise.'),
});
