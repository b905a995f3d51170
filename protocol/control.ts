/** What a coordinator asks of a node, endpoint by endpoint. */
import { z } from 'zod';
import { AdvertSchema } from './advert.ts';
import { AgentStatusSchema, ModelSchema, NameSchema, ToolPolicySchema } from './agent.ts';
import { ErrorBodySchema } from './errors.ts';
import { GenerationSchema } from './generation.ts';
import { MAX_TIMEOUT_MS } from './limits.ts';
import { AgentDefinitionSchema } from './registration.ts';
import { TaskIdSchema } from './task.ts';
import { SliceDataSchema, TextSchema } from './text.ts';

/** Made when a store is, and made anew when it is restored. */
export const FleetIdSchema = z.string().min(1).max(64);

const attempt = { task_id: TaskIdSchema, attempt: z.int().positive() };

/**
 * Every request names the daemon it means and the coordinator's epoch: a node refuses one meant for an earlier life
 * of its name (`wrong_instance`) or sent by a coordinator that has been replaced (`stale_epoch`). Epochs count within
 * one `fleet_id`; a store that was restored from a backup has a new one, and counts anew.
 */
const addressed = {
  v: z.int().positive(),
  instance_id: z.string().min(1).max(64),
  fleet_id: FleetIdSchema,
  epoch: z.int().nonnegative(),
};

export const RunRequestSchema = z.object({
  ...addressed,
  ...attempt,
  /** Revision of the task's request: tells a task from an earlier one of its id. */
  seq: z.int().nonnegative().optional(),
  agent_id: NameSchema,
  prompt: TextSchema,
  /** The prompt is a `Conversation` in JSON: what was said before, and what is asked now. */
  conversation: z.literal(true).optional(),
  model: ModelSchema.optional(),
  timeout_ms: z.int().positive().max(MAX_TIMEOUT_MS).optional(),
  /** What remains of the task's own deadline; past it, the attempt fails with `deadline_passed`. */
  deadline_ms: z.int().positive().optional(),
  tool_policy: ToolPolicySchema.optional(),
  generation: GenerationSchema.optional(),
  cold: z.literal(true).optional(),
  /**
   * Asks only after an attempt that was accepted before. A node that does not know it says `attempt_unknown` and
   * refuses it for ever: it never begins one a second time whose traces it has lost.
   */
  known_only: z.literal(true).optional(),
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
  z.object({
    answer: z.literal('refused'),
    error: ErrorBodySchema,
    /** With `stale_epoch`: the fleet the node obeys, and the highest epoch of it that it has seen. */
    fleet_id: FleetIdSchema.optional(),
    epoch: z.int().nonnegative().optional(),
  }),
]);
export type RunReply = z.infer<typeof RunReplySchema>;

export const SliceRequestSchema = z.object({
  ...addressed,
  ...attempt,
  index: z.int().nonnegative(),
  data: SliceDataSchema,
});
export type SliceRequest = z.infer<typeof SliceRequestSchema>;

/** Why an attempt is stopped; it then ends as `cancelled`, or as failed with `deadline_passed`. */
export const StopReasonSchema = z.enum(['cancelled', 'deadline_passed']);
export type StopReason = z.infer<typeof StopReasonSchema>;

export const CancelAttemptRequestSchema = z.object({
  ...addressed,
  ...attempt,
  reason: StopReasonSchema.default('cancelled'),
});
export type CancelAttemptRequest = z.infer<typeof CancelAttemptRequestSchema>;

/**
 * `stopped`: it ran and has ended. `finished`: it had ended before. `unknown`: it never arrived, and will be refused
 * if it does.
 */
export const CancelAttemptReplySchema = z.object({ answer: z.enum(['stopped', 'finished', 'unknown']) });
export type CancelAttemptReply = z.infer<typeof CancelAttemptReplySchema>;

export const StatusRequestSchema = z.object({});
export const StatusReplySchema = AdvertSchema;

/** With `drain: false` a draining node takes work again. A node stays drained when its daemon starts anew. */
export const DrainRequestSchema = z.object({ drain: z.boolean().default(true) });
/** Drained once both counts are 0: attempts that run, and results that the report stream does not have yet. */
export const DrainReplySchema = z.object({
  draining: z.boolean(),
  running: z.int().nonnegative(),
  outbox: z.int().nonnegative(),
});
export type DrainReply = z.infer<typeof DrainReplySchema>;

/**
 * Looks at an agent afresh: CLI found, version, signed in. With `definition`, at one that is not there yet and is gone
 * again afterwards; the node's file must permit it (`not_permitted`).
 */
export const ProbeRequestSchema = z.object({
  agent_id: NameSchema,
  /** Also sends a short prompt through it, which costs a model call. */
  canary: z.boolean().default(false),
  definition: AgentDefinitionSchema.optional(),
});
export type ProbeRequest = z.infer<typeof ProbeRequestSchema>;
/** What the agent shows after the look; with `canary`, the canary's error when it failed. */
export const ProbeReplySchema = AgentStatusSchema.extend({ canary_error: ErrorBodySchema.optional() });
export type ProbeReply = z.infer<typeof ProbeReplySchema>;

/** Runs the compatibility suite through an agent, pinned or not; `command` must be one the node's file permits. */
export const VerifyRequestSchema = z.object({
  agent_id: NameSchema,
  /** Another executable to try, from the agent's `alternatives` in the node's file. */
  command: z.string().min(1).max(4_096).optional(),
});
export type VerifyRequest = z.infer<typeof VerifyRequestSchema>;

/**
 * `prompt`: a question is answered. `stream`: the answer came as it was made. `cancel`: a running prompt ends when it
 * is told to, and nothing of it is left. `error`: a request that the model service refuses fails with a code, not with
 * an empty success. `json`: an answer asked for in JSON comes back byte for byte as the model gave it.
 */
export const VERIFY_CHECKS = ['prompt', 'stream', 'cancel', 'error', 'json'] as const;
export const VerifyReplySchema = z.object({
  agent_id: NameSchema,
  cli_version: z.string().max(255).optional(),
  /** Whether every check passed or was skipped for the reason it names. */
  passed: z.boolean(),
  checks: z.array(
    z.object({
      check: z.enum(VERIFY_CHECKS),
      outcome: z.enum(['passed', 'failed', 'skipped']),
      detail: z.string().max(1_000),
      error: ErrorBodySchema.optional(),
      took_ms: z.int().nonnegative(),
    }),
  ),
});
export type VerifyReply = z.infer<typeof VerifyReplySchema>;

/**
 * The whole desired state of a node, within the ceilings of its own file: an agent that is not named has the file's own
 * values, and one that only a registration defines is gone. Applied when `revision` or `fleet_id` is not the one that
 * the adverts echo; kept through a restart.
 */
export const ConfigureRequestSchema = z.object({
  ...addressed,
  revision: z.int().positive(),
  agents: z.record(NameSchema, AgentDefinitionSchema),
});
export type ConfigureRequest = z.infer<typeof ConfigureRequestSchema>;
/** `refused`: by agent, why its entry was not applied; the others were. */
export const ConfigureReplySchema = z.object({
  revision: z.int().nonnegative(),
  refused: z.record(NameSchema, ErrorBodySchema),
});
export type ConfigureReply = z.infer<typeof ConfigureReplySchema>;
