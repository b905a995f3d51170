/** What callers can ask of a fleet: one table that the bus, the client and every other door are made from. */
import { z } from 'zod';
import { AdvertSchema } from './advert.ts';
import { AgentStatusSchema, NameSchema } from './agent.ts';
import { DrainReplySchema, FleetIdSchema, VerifyReplySchema, VerifyRequestSchema } from './control.ts';
import { CoordinateReplySchema, CoordinateRequestSchema } from './coordination.ts';
import { ErrorBodySchema } from './errors.ts';
import { MAX_OUTPUT_BYTES, MAX_WAIT_MS, SLICE_BYTES } from './limits.ts';
import { ConsideredSchema } from './placement.ts';
import { AgentDefinitionSchema, AgentSettingsSchema, SshFallbackSchema } from './registration.ts';
import {
  AttemptSchema,
  CompletenessSchema,
  TaskIdSchema,
  TaskOptionsSchema,
  TaskStatusSchema,
  TransportSchema,
  UsageSchema,
} from './task.ts';
import { SliceDataSchema, TextRefSchema } from './text.ts';

const MAX_RUN_WAIT_MS = 3_600_000;

/**
 * Give `prompt`, or, for one too long for a message, upload its slices under a `task_id` of your own and give
 * `prompt_ref`. A `task_id` or `idempotency_key` seen before is answered with the task it named.
 */
export const SubmitRequestSchema = TaskOptionsSchema.extend({
  task_id: TaskIdSchema.optional(),
  idempotency_key: z.string().min(1).max(255).optional(),
  prompt: z.string().optional(),
  prompt_ref: TextRefSchema.optional(),
  /** The prompt is a `Conversation` in JSON: what was said before, and how to answer. Not together with a session. */
  conversation: z.literal(true).optional(),
}).strict();
export type SubmitRequest = z.infer<typeof SubmitRequestSchema>;

export const RunTaskRequestSchema = SubmitRequestSchema.extend({
  /** Longest to wait for the end before answering with the task as it stands. */
  wait_ms: z.int().positive().max(MAX_RUN_WAIT_MS).optional(),
}).strict();

/** A task as a caller sees it. Exactly one of `response` and `response_ref` is set once there is an answer. */
export const TaskViewSchema = z.object({
  task_id: TaskIdSchema,
  status: TaskStatusSchema,
  caller: NameSchema,
  prompt_bytes: z.int().nonnegative(),
  options: TaskOptionsSchema,
  agent_id: NameSchema.optional(),
  node: NameSchema.optional(),
  /** Why a queued task has not been given to an agent. */
  waiting_for: z.string().optional(),
  attempts: z.array(AttemptSchema),
  error: ErrorBodySchema.optional(),
  response: z.string().optional(),
  /** Fetch the slices with `download`. */
  response_ref: TextRefSchema.optional(),
  completeness: CompletenessSchema.optional(),
  usage: UsageSchema.optional(),
  model: z.string().optional(),
  cli_version: z.string().optional(),
  execution_time_ms: z.number().nonnegative().optional(),
  first_chunk_ms: z.number().nonnegative().optional(),
  warm: z.boolean().optional(),
  load_ms: z.number().nonnegative().optional(),
  /** Set when the agent that has it is not of the first choice: see `Attempt`. */
  fallback: AttemptSchema.shape.fallback,
  stop_confirmed: z.boolean().optional(),
  /** How the node of the current or last attempt was reached, once there is one. */
  transport: z.enum(['nats', 'ssh']).optional(),
  /** The node of the current attempt is silent: it may come back, or the task goes to another one. */
  suspect: z.boolean().optional(),
  created_at_ms: z.int().nonnegative(),
  updated_at_ms: z.int().nonnegative(),
});
export type TaskView = z.infer<typeof TaskViewSchema>;

export const GetRequestSchema = z
  .object({
    task_id: TaskIdSchema,
    /** Longest to wait for the end before answering with the task as it stands. */
    wait_ms: z.int().nonnegative().max(MAX_WAIT_MS).optional(),
  })
  .strict();

export const CancelRequestSchema = z.object({ task_id: TaskIdSchema }).strict();

/**
 * Runs a finished task again as a new one that names it, with the same prompt and options: at once, and with all its
 * attempts. A `new_task_id` makes the request repeatable.
 */
export const RetryRequestSchema = z
  .object({ task_id: TaskIdSchema, new_task_id: TaskIdSchema.optional() })
  .strict();

export const ListRequestSchema = z
  .object({
    /** One status, or any of several. */
    status: z.union([TaskStatusSchema, z.array(TaskStatusSchema).min(1)]).optional(),
    /** Of the current or last attempt. */
    agent_id: NameSchema.optional(),
    node: NameSchema.optional(),
    caller: NameSchema.optional(),
    group: TaskIdSchema.optional(),
    session_id: TaskIdSchema.optional(),
    retry_of: TaskIdSchema.optional(),
    limit: z.int().positive().max(500).optional(),
    /** From the page before. */
    cursor: z.string().max(64).optional(),
  })
  .strict();
export type ListRequest = z.infer<typeof ListRequestSchema>;

export const TaskSummarySchema = TaskViewSchema.pick({
  task_id: true,
  status: true,
  caller: true,
  prompt_bytes: true,
  agent_id: true,
  node: true,
  error: true,
  created_at_ms: true,
  updated_at_ms: true,
}).extend({ attempts: z.int().nonnegative() });
export type TaskSummary = z.infer<typeof TaskSummarySchema>;

/** Newest first. */
export const ListReplySchema = z.object({
  tasks: z.array(TaskSummarySchema),
  next_cursor: z.string().optional(),
});
export type ListReply = z.infer<typeof ListReplySchema>;

export const UploadRequestSchema = z
  .object({
    task_id: TaskIdSchema,
    index: z
      .int()
      .nonnegative()
      .max(MAX_OUTPUT_BYTES / SLICE_BYTES),
    data: SliceDataSchema,
  })
  .strict();
export const UploadReplySchema = z.object({ stored: z.literal(true) });

export const DownloadRequestSchema = z
  .object({ task_id: TaskIdSchema, index: z.int().nonnegative() })
  .strict();
export const DownloadReplySchema = z.object({ data: SliceDataSchema });

const EmptySchema = z.object({}).strict();

/** An agent as the fleet sees it: its node's words, and whether that node still speaks. */
export const AgentViewSchema = AgentStatusSchema.extend({
  node: NameSchema,
  alive: z.boolean(),
  draining: z.boolean(),
  /** Whether a task would be placed there now. */
  available: z.boolean(),
  /** `discovered`: advertised by a node, and not in the registry. */
  registration: z.enum(['registered', 'discovered']),
  /** Whether the fleet lets it take work: one that is only discovered may be kept from it. */
  allowed: z.boolean(),
  /** How it is reached at this moment; absent for NATS. */
  transport: TransportSchema.optional(),
  /** Absent where no SSH is set up for its node. */
  ssh_fallback: SshFallbackSchema.optional(),
  /** The URL of a model server, or `cli://<node>`. */
  endpoint: z.string(),
});
export type AgentView = z.infer<typeof AgentViewSchema>;
export const AgentsReplySchema = z.object({ agents: z.array(AgentViewSchema) });

export const NodeViewSchema = AdvertSchema.omit({ v: true, agents: true, running: true }).extend({
  alive: z.boolean(),
  /** Two daemons advertise this name: neither gets work until one is gone. */
  contested: z.boolean(),
  /** How it is reached at this moment; absent for NATS. */
  transport: TransportSchema.optional(),
  /** Since its last advert. */
  silent_ms: z.int().nonnegative(),
  agents: z.int().nonnegative(),
  running: z.int().nonnegative(),
  slots: z.int().nonnegative(),
});
export type NodeView = z.infer<typeof NodeViewSchema>;
export const NodesReplySchema = z.object({ nodes: z.array(NodeViewSchema) });

/** With `drain: false` it takes work again. Asked again, it tells how far it is. */
export const DrainNodeRequestSchema = z
  .object({ node: NameSchema, drain: z.boolean().default(true) })
  .strict();
export const DrainNodeReplySchema = DrainReplySchema.extend({ node: NameSchema });

/** An agent by its id; `node` is needed only when several nodes have one of this id. */
const agentName = { agent_id: NameSchema, node: NameSchema.optional() };

/**
 * Probes the agent through its node, and refuses with what the probe found. With `ollama`, one that no node's file
 * names; its node is the one whose file permits the endpoint, unless `node` says which. Safe to repeat: the settings of
 * before are replaced, except that a disabled agent stays disabled unless `enabled` is given. What others change during
 * the probe stands: then nothing is written (`registration_changed`, `registration_off`).
 */
export const RegisterRequestSchema = AgentDefinitionSchema.extend({
  ...agentName,
  /** Whether a short prompt is sent through it, which costs a model call. */
  canary: z.boolean().default(true),
}).strict();
/** Changes the fields given; null gives one back to the node's file. */
export const UpdateAgentRequestSchema = z
  .object({
    ...agentName,
    enabled: z.boolean().optional(),
    max_concurrent: AgentSettingsSchema.shape.max_concurrent.nullable(),
    priority: AgentSettingsSchema.shape.priority.nullable(),
    specialty: AgentSettingsSchema.shape.specialty.nullable(),
    labels: AgentSettingsSchema.shape.labels.nullable(),
    expected_version: AgentSettingsSchema.shape.expected_version.nullable(),
    ssh_fallback: AgentSettingsSchema.shape.ssh_fallback.nullable(),
  })
  .strict();
export const RemoveAgentRequestSchema = z.object(agentName).strict();
/** The agent as it shows after the change; tasks that run there go on. */
export const AgentReplySchema = z.object({ agent: AgentViewSchema });
export const RemoveAgentReplySchema = z.object({ removed: z.literal(true), node: NameSchema });

/** Looks at the agent through its node; with `canary`, also sends it a short prompt, which costs a model call. */
export const TestAgentRequestSchema = z.object({ ...agentName, canary: z.boolean().default(true) }).strict();
/** `ok`: whether it could take a task now. `problem`: what the look found otherwise. */
export const TestAgentReplySchema = z.object({
  ok: z.boolean(),
  agent: AgentViewSchema,
  problem: ErrorBodySchema.optional(),
  took_ms: z.int().nonnegative(),
});

export const VerifyAgentRequestSchema = VerifyRequestSchema.extend(agentName).strict();
export const VerifyAgentReplySchema = VerifyReplySchema.extend({ node: NameSchema });

/** Without `open` it only tells. */
export const RegistrationRequestSchema = z.object({ open: z.boolean().optional() }).strict();
export const RegistrationReplySchema = z.object({ open: z.boolean() });

export const ExplainRequestSchema = z
  .object({ task_id: TaskIdSchema, attempt: z.int().positive().optional() })
  .strict();
/** Of the attempt named, or the last one; of a queued task, how it stands now. */
export const ExplainReplySchema = z.object({
  task_id: TaskIdSchema,
  /** Absent when the task waits for its first, or none was asked for while it waits. */
  attempt: z.int().positive().optional(),
  considered: z.array(ConsideredSchema),
  left_out: z.int().nonnegative(),
  /** The record of that choice is no longer kept: only what the attempt itself tells is left. */
  expired: z.literal(true).optional(),
});

/** How full a store is; from `STORE_FULL_SHARE` on nothing new is accepted. */
export const StoreUsageSchema = z.object({
  bytes: z.int().nonnegative(),
  max_bytes: z.int().nonnegative(),
});

/** What the store's promise "accepted means durable" rests on here. `unknown` where the server does not tell. */
export const DurabilitySchema = z.enum(['power_cut', 'process_crash', 'unknown']);

export const FleetStatusSchema = z.object({
  version: z.string(),
  coordinator_id: z.string(),
  /** Of the leader this coordinator knows of; 0 before the first. */
  epoch: z.int().nonnegative(),
  fleet_id: FleetIdSchema,
  /** Whether the coordinator that answers plans, or stands by. */
  role: z.enum(['leader', 'follower']),
  /** Whether agents may be registered, and whether one that is not may take work. */
  registration: z.enum(['open', 'off']),
  discovered: z.enum(['allow', 'deny']),
  /** The `coordinator_id` of the one that plans, as far as this one knows. */
  leader: z.string().optional(),
  uptime_ms: z.int().nonnegative(),
  /** Where the coordinator that answers serves HTTP. */
  http_url: z.string().optional(),
  store: z.object({ tasks: StoreUsageSchema, blobs: StoreUsageSchema, reports: StoreUsageSchema }),
  nats: z.object({
    server_version: z.string(),
    url: z.string(),
    durability: DurabilitySchema,
    warning: z.string().optional(),
  }),
  nodes: z.object({ alive: z.int(), lost: z.int() }),
  agents: z.object({ available: z.int(), total: z.int() }),
  slots: z.object({ free: z.int(), total: z.int() }),
  tasks: z.record(TaskStatusSchema, z.int()),
  /** Messages dropped because they could not be read, since the coordinator that answers has started. */
  malformed: z.object({ adverts: z.int(), reports: z.int() }),
});
export type FleetStatus = z.infer<typeof FleetStatusSchema>;

/** An operation's answer when it could not be carried out. */
export const ErrorReplySchema = z.object({ error: ErrorBodySchema });

/** `subject` comes after the prefix; `ccli.task.run` and so on. */
export const OPERATIONS = {
  submit: { subject: 'task.submit', request: SubmitRequestSchema, reply: TaskViewSchema },
  run: { subject: 'task.run', request: RunTaskRequestSchema, reply: TaskViewSchema },
  get: { subject: 'task.get', request: GetRequestSchema, reply: TaskViewSchema },
  cancel: { subject: 'task.cancel', request: CancelRequestSchema, reply: TaskViewSchema },
  retry: { subject: 'task.retry', request: RetryRequestSchema, reply: TaskViewSchema },
  list: { subject: 'task.list', request: ListRequestSchema, reply: ListReplySchema },
  upload: { subject: 'task.upload', request: UploadRequestSchema, reply: UploadReplySchema },
  download: { subject: 'task.download', request: DownloadRequestSchema, reply: DownloadReplySchema },
  agents: { subject: 'agents', request: EmptySchema, reply: AgentsReplySchema },
  nodes: { subject: 'nodes', request: EmptySchema, reply: NodesReplySchema },
  drain: { subject: 'nodes.drain', request: DrainNodeRequestSchema, reply: DrainNodeReplySchema },
  explain: { subject: 'task.explain', request: ExplainRequestSchema, reply: ExplainReplySchema },
  coordinate: { subject: 'coordinate', request: CoordinateRequestSchema, reply: CoordinateReplySchema },
  register: { subject: 'agents.register', request: RegisterRequestSchema, reply: AgentReplySchema },
  update: { subject: 'agents.update', request: UpdateAgentRequestSchema, reply: AgentReplySchema },
  remove: { subject: 'agents.remove', request: RemoveAgentRequestSchema, reply: RemoveAgentReplySchema },
  test: { subject: 'agents.test', request: TestAgentRequestSchema, reply: TestAgentReplySchema },
  verify: { subject: 'agents.verify', request: VerifyAgentRequestSchema, reply: VerifyAgentReplySchema },
  registration: {
    subject: 'agents.registration',
    request: RegistrationRequestSchema,
    reply: RegistrationReplySchema,
  },
  status: { subject: 'status', request: EmptySchema, reply: FleetStatusSchema },
} as const;

export type OperationName = keyof typeof OPERATIONS;
export type OperationRequest<N extends OperationName> = z.infer<(typeof OPERATIONS)[N]['request']>;
export type OperationReply<N extends OperationName> = z.infer<(typeof OPERATIONS)[N]['reply']>;
