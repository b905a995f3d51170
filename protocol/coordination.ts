/** One question to several agents at once, and what came of it. */
import { z } from 'zod';
import { AgentTypeSchema, NameSchema, SpecialtySchema } from './agent.ts';
import { ErrorBodySchema } from './errors.ts';
import { CompletenessSchema, TaskIdSchema, TaskStatusSchema } from './task.ts';

/**
 * `all`: every answer. `first`: the first one that succeeds; the others are cancelled. `best`: an agent compares the
 * answers and picks one. `synthesize`: an agent makes one answer of them.
 */
export const STRATEGIES = ['all', 'first', 'best', 'synthesize'] as const;
export const StrategySchema = z.enum(STRATEGIES);
export type Strategy = z.infer<typeof StrategySchema>;

export const MAX_PARTS = 16;
const MAX_BUDGET_MS = 24 * 3_600_000;

export const CoordinateRequestSchema = z
  .object({
    /** Makes the request repeatable: asked again, it takes up the parts that are there. */
    coordination_id: TaskIdSchema.max(32).optional(),
    prompt: z.string(),
    /** Ids of the agents to ask; chosen by specialty and type when absent. */
    agents: z.array(NameSchema).min(1).max(MAX_PARTS).optional(),
    strategy: StrategySchema.optional(),
    /** How many agents may be asked, a comparing or synthesizing one not counted. */
    max_agents: z.int().min(1).max(MAX_PARTS).optional(),
    /** For everything together; what is not done by then is cancelled. */
    budget_ms: z.int().positive().max(MAX_BUDGET_MS).optional(),
    /** Only tells which agents would be asked, and what. */
    plan_only: z.boolean().optional(),
  })
  .strict();
export type CoordinateRequest = z.infer<typeof CoordinateRequestSchema>;

/** What kind of work a part is; each specialty has one. */
export const TASK_TYPES = [
  'implementation',
  'modelling',
  'profiling',
  'documentation',
  'testing',
  'analysis',
  'general',
] as const;

export const PartSchema = z.object({
  task_id: TaskIdSchema,
  /** `answer`: one of the parallel ones. `judge`: compares or synthesizes them. */
  role: z.enum(['answer', 'judge']),
  agent_id: NameSchema,
  /** Absent of an agent that was asked before and is not in the fleet any more. */
  node: NameSchema.optional(),
  agent_type: AgentTypeSchema.optional(),
  specialty: SpecialtySchema,
  task_type: z.enum(TASK_TYPES),
  why: z.string().max(1_000),
  status: z.enum(['planned', ...TaskStatusSchema.options]),
  /** At most the first `PART_TEXT_CHARS`, fewer where the reply would not fit a message; the task has the whole. */
  response: z.string().optional(),
  response_cut: z.literal(true).optional(),
  completeness: CompletenessSchema.optional(),
  error: ErrorBodySchema.optional(),
  execution_time_ms: z.number().nonnegative().optional(),
});
export type Part = z.infer<typeof PartSchema>;
export const PART_TEXT_CHARS = 32_768;

export const CoordinateReplySchema = z.object({
  coordination_id: TaskIdSchema,
  strategy: StrategySchema,
  /** `partial`: there is an answer, and not every agent contributed to it. */
  status: z.enum(['planned', 'completed', 'partial', 'failed']),
  parts: z.array(PartSchema),
  /** The one answer of `first`, `best` and `synthesize`; cut like the response of the part that it is of. */
  answer: z.string().optional(),
  answer_cut: z.literal(true).optional(),
  answered_by: NameSchema.optional(),
  /** The task that has it whole. */
  answer_task_id: TaskIdSchema.optional(),
  /** Of `best`: why the judge picked it. */
  reason: z.string().optional(),
  /** What did not go as planned, in sentences. */
  notes: z.array(z.string()),
  error: ErrorBodySchema.optional(),
  took_ms: z.int().nonnegative(),
});
export type CoordinateReply = z.infer<typeof CoordinateReplySchema>;
