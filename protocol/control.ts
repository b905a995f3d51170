/** What a coordinator asks of a node, endpoint by endpoint. */
import { z } from 'zod';
import { AdvertSchema } from './advert.ts';
import { AgentStatusSchema, ModelSchema, NameSchema, ToolPolicySchema } from './agent.ts';
import { ErrorBodySchema } from './errors.ts';
import { MAX_TIMEOUT_MS } from './limits.ts';
import { TaskIdSchema } from './task.ts';
import { SliceDataSchema, TextSchema } from './text.ts';

const attempt = { task_id: TaskIdSchema, attempt: z.int().positive() };

/**
 * Every request names the daemon it means and the coordinator's epoch: a node refuses one meant for an earlier life
 * of its name (`wrong_instance`) or sent by a coordinator that has been replaced (`stale_epoch`).
 */
const addressed = {
  v: z.int().positive(),
  instance_id: z.string().min(1).max(64),
  epoch: z.int().nonnegative(),
};

export const RunRequestSchema = z.object({
  ...addressed,
  ...attempt,
  agent_id: NameSchema,
  prompt: TextSchema,
  model: ModelSchema.optional(),
  timeout_ms: z.int().positive().max(MAX_TIMEOUT_MS).optional(),
  tool_policy: ToolPolicySchema.optional(),
});
export type RunRequest = z.infer<typeof RunRequestSchema>;

/**
 * `accepted`: the attempt is in the node's journal. Asked again, the node answers the same, with how far it is.
 * `missing_slices`: which slices of the prompt the node still waits for; send them to `slice`.
 * `refused`: the attempt does not exist on this node and may be placed elsewhere.
 */
export const RunReplySchema = z.discriminatedUnion('answer', [
  z.object({
    answer: z.literal('accepted'),
    phase: z.enum(['receiving', 'running', 'finished']),
    missing_slices: z.array(z.int().nonnegative()),
  }),
  z.object({ answer: z.literal('refused'), error: ErrorBodySchema }),
]);
export type RunReply = z.infer<typeof RunReplySchema>;

export const SliceRequestSchema = z.object({
  ...addressed,
  ...attempt,
  index: z.int().nonnegative(),
  data: SliceDataSchema,
});
export type SliceRequest = z.infer<typeof SliceRequestSchema>;

export const CancelAttemptRequestSchema = z.object({ ...addressed, ...attempt });
export type CancelAttemptRequest = z.infer<typeof CancelAttemptRequestSchema>;

/**
 * `stopped`: it ran and has ended. `finished`: it had ended before. `unknown`: it never arrived, and will be refused
 * if it does.
 */
export const CancelAttemptReplySchema = z.object({ answer: z.enum(['stopped', 'finished', 'unknown']) });
export type CancelAttemptReply = z.infer<typeof CancelAttemptReplySchema>;

export const StatusRequestSchema = z.object({});
export const StatusReplySchema = AdvertSchema;

/** With `drain: false` a draining node takes work again. */
export const DrainRequestSchema = z.object({ drain: z.boolean().default(true) });
export const DrainReplySchema = z.object({ draining: z.boolean(), running: z.int().nonnegative() });

/** Looks at an agent afresh: CLI found, version, signed in. */
export const ProbeRequestSchema = z.object({ agent_id: NameSchema });
export const ProbeReplySchema = AgentStatusSchema;

/** Desired state within the ceilings of the node's own file: it can disable and narrow, never add. */
export const ConfigureRequestSchema = z.object({
  v: z.int().positive(),
  revision: z.int().positive(),
  agents: z.record(
    NameSchema,
    z.object({
      enabled: z.boolean().optional(),
      max_concurrent: z.int().nonnegative().optional(),
      priority: z.int().optional(),
    }),
  ),
});
export type ConfigureRequest = z.infer<typeof ConfigureRequestSchema>;
export const ConfigureReplySchema = z.object({ revision: z.int().nonnegative() });
