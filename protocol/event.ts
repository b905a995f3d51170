/** Lifecycle events: what a dashboard or an audit reads. They repeat what the stores say and decide nothing. */
import { z } from 'zod';
import { NameSchema } from './agent.ts';
import { ErrorCodeSchema } from './errors.ts';
import { PlacementEventSchema } from './placement.ts';
import { TaskIdSchema, TaskStatusSchema } from './task.ts';

export const TaskEventSchema = z.object({
  v: z.int().positive(),
  kind: z.literal('task'),
  task_id: TaskIdSchema,
  status: TaskStatusSchema,
  attempt: z.int().positive().optional(),
  node: NameSchema.optional(),
  agent_id: NameSchema.optional(),
  error_code: ErrorCodeSchema.optional(),
  at_ms: z.int().nonnegative(),
});

export const NodeEventSchema = z.object({
  v: z.int().positive(),
  kind: z.literal('node'),
  node: NameSchema,
  change: z.enum(['joined', 'restarted', 'lost', 'returned', 'left']),
  instance_id: z.string().max(64),
  at_ms: z.int().nonnegative(),
});

/** What was asked of the registry; a remark for audits. */
export const AgentEventSchema = z.object({
  v: z.int().positive(),
  kind: z.literal('agent'),
  node: NameSchema,
  agent_id: NameSchema,
  change: z.enum(['registered', 'updated', 'removed']),
  at_ms: z.int().nonnegative(),
});

export const EventSchema = z.discriminatedUnion('kind', [
  TaskEventSchema,
  NodeEventSchema,
  AgentEventSchema,
  PlacementEventSchema,
]);
export type FleetEvent = z.infer<typeof EventSchema>;
