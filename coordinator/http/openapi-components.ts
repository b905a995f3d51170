/** Schemas of the wire that stand in the document under a name, beside those that a route names itself. */
import { z } from 'zod';
import { AgentTypeSchema, SpecialtySchema } from '../../protocol/agent.ts';
import { ErrorBodySchema, ErrorCodeSchema } from '../../protocol/errors.ts';
import { GenerationSchema } from '../../protocol/generation.ts';
import { ConsideredSchema } from '../../protocol/placement.ts';
import {
  AttemptSchema,
  TaskIdSchema,
  TaskOptionsSchema,
  TaskStatusSchema,
  UsageSchema,
} from '../../protocol/task.ts';
import { TaskSchema } from './views/task.ts';

/** RFC 9457, with the row of our error table; what only some problems have comes last. */
export const ProblemSchema = z
  .object({
    type: z.string().describe('`urn:ccli:error:` and the code.'),
    title: z.string(),
    status: z.int().describe('Of HTTP.'),
    detail: z.string().describe('What is wrong, and what to do next.'),
    code: ErrorCodeSchema,
    retryable: z.boolean().describe('Whether the same request may succeed later.'),
    request_id: z.string().optional().describe('Stands in the log as well.'),
    retry_after: z.int().nonnegative().optional().describe('Seconds; the same as the header `Retry-After`.'),
    cause: z.string().optional().describe('For people.'),
    errors: z
      .array(z.object({ path: z.string(), message: z.string() }))
      .optional()
      .describe('Every field that is wrong.'),
    finding: ErrorBodySchema.optional().describe('Of `connectivity_test_failed`: what was found.'),
    task_id: TaskIdSchema.optional().describe('Of a task that was waited for and has not succeeded.'),
    task_status: TaskStatusSchema.optional(),
    attempts: z.array(AttemptSchema).optional(),
  })
  .meta({ description: 'Problem details (RFC 9457). `code` is stable: go by it, never by the text.' });

export const COMPONENT_NAMES: ReadonlyMap<z.core.$ZodType, string> = new Map<z.core.$ZodType, string>([
  [ProblemSchema, 'Problem'],
  [ErrorBodySchema, 'Error'],
  [ErrorCodeSchema, 'ErrorCode'],
  [TaskStatusSchema, 'TaskStatus'],
  [TaskOptionsSchema, 'TaskOptions'],
  [AttemptSchema, 'Attempt'],
  [UsageSchema, 'Usage'],
  [GenerationSchema, 'Generation'],
  [ConsideredSchema, 'Considered'],
  [AgentTypeSchema, 'AgentType'],
  [SpecialtySchema, 'Specialty'],
]);

/** Those that routes refer to by name alone. */
export const ALWAYS_THERE: readonly z.core.$ZodType[] = [ProblemSchema, TaskSchema];
