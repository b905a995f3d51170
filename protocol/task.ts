/** A task: what is asked, where it stands, and which step may follow which. */
import { z } from 'zod';
import {
  AgentTypeSchema,
  LabelsSchema,
  ModelSchema,
  NameSchema,
  SpecialtySchema,
  ToolPolicySchema,
} from './agent.ts';
import { ErrorBodySchema } from './errors.ts';
import { GenerationSchema } from './generation.ts';
import { MAX_DEADLINE_MS, MAX_TIMEOUT_MS } from './limits.ts';
import { TASK_ID_PATTERN } from './subjects.ts';
import { TextSchema } from './text.ts';

export const TaskIdSchema = z.string().regex(TASK_ID_PATTERN, 'letters, digits, "-" and "_", at most 64');

/** What a caller may say about how a task is to be run; each absent field leaves the choice to ccli. */
export const TaskOptionsSchema = z.object({
  agent_id: NameSchema.optional(),
  agent_type: AgentTypeSchema.optional(),
  specialty: SpecialtySchema.optional(),
  model: ModelSchema.optional(),
  labels: LabelsSchema.optional(),
  /** Longest one attempt may take; the agent's own default otherwise. */
  timeout_ms: z.int().positive().max(MAX_TIMEOUT_MS).optional(),
  /** Longest the task may wait for a slot; past it, it fails with `slots_taken`. Unbounded when absent. */
  max_queue_ms: z.int().positive().max(MAX_TIMEOUT_MS).optional(),
  /** Longest from its acceptance to its end, whatever happens; past it, it fails with `deadline_passed`. */
  deadline_ms: z.int().positive().max(MAX_DEADLINE_MS).optional(),
  /** 1 when the task's side effects must not be repeated. */
  max_attempts: z.int().min(1).max(100).optional(),
  /** Larger goes first. */
  priority: z.int().min(-100).max(100).optional(),
  /** Can only narrow the agent's own policy. */
  tool_policy: ToolPolicySchema.optional(),
  /**
   * Types or ids of agents, best first. A later one is taken only while all before it cool down, are lost, are not
   * set up, or have failed this task: twice, or once when the attempts left are needed for the members not yet tried;
   * five refusals in a row count as well. A slot that is merely taken is waited for. `agent_id` or `agent_type`, when
   * given, comes before the first.
   */
  fallback: z.array(NameSchema).min(1).max(8).optional(),
  /**
   * One conversation: its tasks run one after another, on one agent as long as that can be had, and each knows what
   * was said before. Sessions of different callers never meet.
   */
  session_id: TaskIdSchema.optional(),
  /** GPU memory its agent must have in all. */
  min_gpu_memory_bytes: z.int().positive().optional(),
  /** Tasks that belong together, such as the parts of one coordination. */
  group: TaskIdSchema.optional(),
  generation: GenerationSchema.optional(),
  /** Runs in a process started for it alone, as the first task of a day would: for measuring. */
  cold: z.literal(true).optional(),
  /** The finished task that this one was made from, to run it again. */
  retry_of: TaskIdSchema.optional(),
  /** Of a part of a coordination: what was asked of the whole, as digests, by which another request is told from it. */
  coordination: z.string().max(100).optional(),
});
export type TaskOptions = z.infer<typeof TaskOptionsSchema>;

export const DEFAULT_MAX_ATTEMPTS = 3;

/** `<task>.request`: written once, by the create that decides what the id means. */
export const TaskRequestSchema = z.object({
  v: z.int().positive(),
  task_id: TaskIdSchema,
  caller: NameSchema,
  prompt: TextSchema,
  /** The prompt is a `Conversation` in JSON, given by the caller. */
  conversation: z.literal(true).optional(),
  prompt_bytes: z.int().positive(),
  options: TaskOptionsSchema,
});
export type TaskRequest = z.infer<typeof TaskRequestSchema>;

export const TASK_STATUSES = ['queued', 'assigned', 'running', 'completed', 'failed', 'cancelled'] as const;
export const TaskStatusSchema = z.enum(TASK_STATUSES);
export type TaskStatus = z.infer<typeof TaskStatusSchema>;

export const isTerminal = (status: TaskStatus): boolean =>
  status === 'completed' || status === 'failed' || status === 'cancelled';

export const UsageSchema = z.object({
  input_tokens: z.int().nonnegative().optional(),
  output_tokens: z.int().nonnegative().optional(),
  total_tokens: z.int().nonnegative().optional(),
});
export type Usage = z.infer<typeof UsageSchema>;

/** `unknown` where the tool gives no way to tell a whole answer from one its model cut short. */
export const CompletenessSchema = z.enum(['whole', 'partial', 'unknown']);

/** How the node was spoken to; absent for NATS, the normal road. */
export const TransportSchema = z.literal('ssh');

/** Where an attempt ran; enough to send its request again word for word. */
export const PlacementSchema = z.object({
  node: NameSchema,
  agent_id: NameSchema,
  instance_id: z.string().min(1).max(64),
  epoch: z.int().nonnegative(),
  /** Set when the request went out, or the answer came in, over SSH. */
  transport: TransportSchema.optional(),
});
export type Placement = z.infer<typeof PlacementSchema>;

export const AttemptSchema = PlacementSchema.extend({
  attempt: z.int().positive(),
  /** Why this agent: for people. */
  why: z.string().max(1_000).optional(),
  started: z.boolean(),
  error: ErrorBodySchema.optional(),
  /** The node said no for a reason of its own: nothing ran, and it uses up none of `max_attempts`. */
  refused: z.literal(true).optional(),
  /** Set when a later member of the task's fallback chain was taken: which, counted from 0, and why not an earlier one. */
  fallback: z.object({ position: z.int().positive(), why: z.string().max(1_000) }).optional(),
});
export type Attempt = z.infer<typeof AttemptSchema>;

/** `<task>.state`. Absolute times are the writer's clock, for display; no decision reads them. */
export const TaskStateSchema = z.object({
  v: z.int().positive(),
  task_id: TaskIdSchema,
  /**
   * Every attempt so far, oldest first; the last one is the current one. Of those that were refused only the last one
   * stays, so their numbers may have gaps.
   */
  attempts: z.array(AttemptSchema).max(100),
  /** Set while queued again after a failure: how long to wait, counted from when it is read. */
  retry_after_ms: z.int().nonnegative().optional(),
  /** Why it failed; or, while queued again, why the last attempt did. */
  error: ErrorBodySchema.optional(),
  /** The attempt whose answer stands in `<task>.result`. */
  result_attempt: z.int().positive().optional(),
  /** Of a cancelled task: whether the node confirmed that the attempt ended. */
  stop_confirmed: z.boolean().optional(),
  updated_at_ms: z.int().nonnegative(),
  /** Last, since `nats kv history` shows the first and last characters of each entry: so it tells a task's life. */
  status: TaskStatusSchema,
});
export type TaskState = z.infer<typeof TaskStateSchema>;

/** What is told of an answer besides its text, in a report and in the stored result alike. */
export const answerShape = {
  completeness: CompletenessSchema,
  usage: UsageSchema.optional(),
  model: z.string().max(255).optional(),
  cli_version: z.string().max(255).optional(),
  /** Time the attempt took on its node, and until its first chunk. */
  run_ms: z.number().nonnegative(),
  first_chunk_ms: z.number().nonnegative().optional(),
  /** Whether a process was already up when the attempt came. */
  warm: z.boolean(),
  /** How much of it went into loading the model, where the tool tells. */
  load_ms: z.number().nonnegative().optional(),
};

/** `<task>.result`: the answer, or what came of it before an `output_too_large`. */
export const TaskResultSchema = z.object({
  v: z.int().positive(),
  task_id: TaskIdSchema,
  attempt: z.int().positive(),
  text: TextSchema,
  ...answerShape,
});
export type TaskResult = z.infer<typeof TaskResultSchema>;

/** `<task>.cancel`: durable, so that a cancel outlives whoever took it. */
export const CancelRecordSchema = z.object({
  v: z.int().positive(),
  task_id: TaskIdSchema,
  caller: NameSchema,
});
export type CancelRecord = z.infer<typeof CancelRecordSchema>;

/** A step in a task's life. `attempt` is always the number of the attempt the step speaks of. */
export type TaskStep =
  | {
      readonly step: 'assign';
      readonly attempt: number;
      readonly placement: Placement;
      readonly why: string;
      readonly fallback?: Attempt['fallback'];
    }
  | { readonly step: 'start'; readonly attempt: number; readonly transport?: Attempt['transport'] }
  | { readonly step: 'complete'; readonly attempt: number; readonly transport?: Attempt['transport'] }
  | {
      readonly step: 'fail';
      readonly attempt?: number;
      readonly error: z.infer<typeof ErrorBodySchema>;
      readonly partial: boolean;
      readonly transport?: Attempt['transport'];
    }
  | {
      readonly step: 'requeue';
      readonly attempt: number;
      readonly error: z.infer<typeof ErrorBodySchema>;
      readonly retry_after_ms: number;
      readonly refused?: boolean;
      readonly transport?: Attempt['transport'];
    }
  | { readonly step: 'cancel'; readonly stop_confirmed: boolean };

export type Transition =
  | { readonly ok: true; readonly state: TaskState }
  | { readonly ok: false; readonly reason: string };

/** The state of a task that has a request and nothing else. */
export const queuedState = (task_id: string, v: number): TaskState => ({
  v,
  task_id,
  status: 'queued',
  attempts: [],
  updated_at_ms: 0,
});

/**
 * The one place that says which step may follow which.
 *
 *     queued ──assign──> assigned ──start──> running
 *       ^ └──────fail───────┐ │ └─────┐        │
 *       └────────requeue────┼─┴───────┼────────┤
 *                           v         v        v
 *                        failed   completed  failed, completed      cancel: from any of the three
 *
 * Terminal states never change. An attempt is current when it is the last one. `complete` is also legal for a
 * superseded attempt (a late success still counts) and from `queued` (the answer came after the requeue); every other
 * step of a superseded attempt is refused, and so is anything that speaks of an attempt never assigned.
 */
export function transition(state: TaskState, step: TaskStep, at_ms: number): Transition {
  if (isTerminal(state.status)) return refuse(`the task is already ${state.status}`);
  const next = (change: Partial<TaskState>): Transition => {
    // A pause or a reason belongs to the status that set it.
    const { retry_after_ms: _pause, error: _error, ...kept } = state;
    return { ok: true, state: { ...kept, ...change, updated_at_ms: at_ms } };
  };
  const current = state.attempts.at(-1);
  switch (step.step) {
    case 'assign': {
      if (state.status !== 'queued') return refuse(`a task that is ${state.status} cannot be assigned`);
      if (step.attempt !== (current?.attempt ?? 0) + 1) return refuse('attempts are numbered one by one');
      const { placement, why, fallback } = step;
      const attempt: Attempt = {
        ...placement,
        attempt: step.attempt,
        why,
        started: false,
        ...(fallback !== undefined && { fallback }),
      };
      return next({ status: 'assigned', attempts: [...onRecord(state.attempts), attempt] });
    }
    case 'start':
      if (state.status !== 'assigned') return refuse(`a task that is ${state.status} cannot start`);
      if (step.attempt !== current?.attempt) return refuse('the attempt is not the current one');
      return next({
        status: 'running',
        attempts: amend(state, step.attempt, { started: true, ...way(step) }),
      });
    case 'complete':
      if (!state.attempts.some(known => known.attempt === step.attempt))
        return refuse('the attempt is not known');
      return next({
        status: 'completed',
        attempts: amend(state, step.attempt, { started: true, ...way(step) }),
        result_attempt: step.attempt,
      });
    case 'fail':
      if (step.attempt === undefined) {
        if (state.status !== 'queued') return refuse('a failure without an attempt needs a queued task');
        return next({ status: 'failed', error: step.error });
      }
      if (!isCurrent(state, step.attempt)) return refuse('the attempt is not the current one');
      return next({
        status: 'failed',
        attempts: amend(state, step.attempt, { error: step.error, ...way(step) }),
        error: step.error,
        ...(step.partial && { result_attempt: step.attempt }),
      });
    case 'requeue':
      if (!isCurrent(state, step.attempt)) return refuse('the attempt is not the current one');
      return next({
        status: 'queued',
        attempts: amend(state, step.attempt, {
          error: step.error,
          ...way(step),
          ...(step.refused === true && { refused: true }),
        }),
        error: step.error,
        retry_after_ms: step.retry_after_ms,
      });
    case 'cancel':
      return next({ status: 'cancelled', stop_confirmed: step.stop_confirmed });
  }
}

/** SSH leaves its mark on an attempt, whatever road the rest of it takes. */
const way = ({ transport }: Pick<Attempt, 'transport'>): Pick<Attempt, 'transport'> =>
  transport === undefined ? {} : { transport };

/** A task may be refused any number of times: of those attempts, in which nothing ran, the last one is kept. */
const onRecord = (attempts: readonly Attempt[]): Attempt[] => {
  const last = attempts.findLast(({ refused }) => refused === true);
  return attempts.filter(attempt => attempt.refused !== true || attempt === last).map(shortened);
};

const EARLIER_MESSAGE_MAX = 300;

/** Of earlier attempts the reason is enough: a hundred of them must fit a message. */
const shortened = ({ error, ...attempt }: Attempt): Attempt => {
  if (error === undefined) return attempt;
  const { cause: _cause, ...rest } = error;
  return { ...attempt, error: { ...rest, message: rest.message.slice(0, EARLIER_MESSAGE_MAX) } };
};

const refuse = (reason: string): Transition => ({ ok: false, reason });

const isCurrent = (state: TaskState, attempt: number): boolean =>
  state.status !== 'queued' && state.attempts.at(-1)?.attempt === attempt;

const amend = (state: TaskState, attempt: number, change: Partial<Attempt>): Attempt[] =>
  state.attempts.map(known => (known.attempt === attempt ? { ...known, ...change } : known));
