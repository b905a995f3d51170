/** Why a task went where it went: each agent with the reason it was or was not chosen. */
import { z } from 'zod';
import { NameSchema } from './agent.ts';
import { ErrorCodeSchema } from './errors.ts';
import { TaskIdSchema } from './task.ts';

/**
 * `chosen`: it got the task. `eligible`: it could have taken it, and another one was better. `waiting`: it fits, and
 * has no room now. `excluded`: it does not fit, or takes nothing at all.
 */
export const ConsideredSchema = z.object({
  agent_id: NameSchema,
  node: NameSchema,
  verdict: z.enum(['chosen', 'eligible', 'waiting', 'excluded']),
  why: z.string().max(500),
  code: ErrorCodeSchema.optional(),
});
export type Considered = z.infer<typeof ConsideredSchema>;

/** The best come first; of a large fleet the rest is only counted. */
export const MAX_CONSIDERED = 50;

/** `<prefix>.event.placement.<task>.<attempt>`. */
export const PlacementEventSchema = z.object({
  v: z.int().positive(),
  kind: z.literal('placement'),
  task_id: TaskIdSchema,
  attempt: z.int().positive(),
  considered: z.array(ConsideredSchema).max(MAX_CONSIDERED),
  left_out: z.int().nonnegative(),
  at_ms: z.int().nonnegative(),
});
