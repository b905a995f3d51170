/** One task, or the whole fleet, as it is told to readers who follow it. */
import { z } from 'zod';
import { NameSchema } from './agent.ts';
import { ErrorBodySchema } from './errors.ts';
import { EventSchema } from './event.ts';
import { TaskViewSchema } from './operation.ts';
import { TaskIdSchema, TaskStatusSchema } from './task.ts';

/**
 * How far a reader has come in the answer of a task: `<attempt>.<n>`, with `n` the number of the next chunk it wants.
 * It means the same at every coordinator, and after any restart.
 */
export const POSITION_PATTERN = /^(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,9})$/;
export const PositionSchema = z
  .string()
  .regex(POSITION_PATTERN, 'a position such as "1.17", from an earlier event');

const place = { position: PositionSchema };

/** The stream is over although what it tells of is not; the code says why, and whether to come back. */
const ClosedEventSchema = z.object({ event: z.literal('closed'), error: ErrorBodySchema });

/**
 * `state`: at once, and at each change. `chunk`: the next piece of the answer. `restart`: another attempt has taken
 * over, what was told of the answer before is void. `gap`: `missing` pieces are gone; the result has them. `result`:
 * the last event, with the whole answer. `closed`: the last event when there is no result.
 */
export const TaskStreamEventSchema = z.discriminatedUnion('event', [
  z.object({
    event: z.literal('state'),
    ...place,
    task_id: TaskIdSchema,
    status: TaskStatusSchema,
    attempt: z.int().positive().optional(),
    node: NameSchema.optional(),
    agent_id: NameSchema.optional(),
    waiting_for: z.string().optional(),
    /** Why it failed; or, while queued again, why the last attempt did. */
    error: ErrorBodySchema.optional(),
  }),
  z.object({
    event: z.literal('chunk'),
    ...place,
    attempt: z.int().positive(),
    n: z.int().nonnegative(),
    text: z.string(),
  }),
  z.object({ event: z.literal('restart'), ...place, attempt: z.int().positive() }),
  z.object({
    event: z.literal('gap'),
    ...place,
    attempt: z.int().positive(),
    missing: z.int().positive(),
  }),
  z.object({ event: z.literal('result'), ...place, task: TaskViewSchema.omit({ response_ref: true }) }),
  ClosedEventSchema,
]);
export type TaskStreamEvent = z.infer<typeof TaskStreamEventSchema>;

/** `seq` numbers the events of a fleet; those that are gone before a reader came for them are one `gap`. */
export const FleetStreamEventSchema = z.discriminatedUnion('event', [
  z.object({ event: z.literal('fleet'), seq: z.int().positive(), fleet: EventSchema }),
  z.object({ event: z.literal('gap'), seq: z.int().nonnegative(), missing: z.int().positive() }),
  ClosedEventSchema,
]);
export type FleetStreamEvent = z.infer<typeof FleetStreamEventSchema>;
