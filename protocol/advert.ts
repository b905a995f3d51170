/** What a node says about itself, every few seconds and whenever it changes. */
import { z } from 'zod';
import { AgentStatusSchema, NameSchema } from './agent.ts';
import { TaskIdSchema } from './task.ts';

export const GpuSchema = z.object({
  name: z.string().max(255),
  memory_total_bytes: z.int().nonnegative(),
  memory_used_bytes: z.int().nonnegative(),
  utilization_percent: z.number().min(0).max(100),
});
export type Gpu = z.infer<typeof GpuSchema>;

export const HostStatusSchema = z.object({
  cpus: z.int().positive(),
  load_1m: z.number().nonnegative(),
  memory_total_bytes: z.int().nonnegative(),
  memory_available_bytes: z.int().nonnegative(),
  gpus: z.array(GpuSchema),
});
export type HostStatus = z.infer<typeof HostStatusSchema>;

/** An attempt the node has accepted and not yet finished. */
export const RunningAttemptSchema = z.object({
  task_id: TaskIdSchema,
  attempt: z.int().positive(),
  agent_id: NameSchema,
  elapsed_ms: z.int().nonnegative(),
});

export const AdvertSchema = z.object({
  v: z.int().positive(),
  node: NameSchema,
  /** Made anew at each start of the daemon: tells two lives of one node apart. */
  instance_id: z.string().min(1).max(64),
  /** Counts up from 1 within one instance, so that a late advert is seen to be late. */
  seq: z.int().positive(),
  version: z.string().max(64),
  node_js: z.string().max(64),
  interval_ms: z.int().positive(),
  uptime_ms: z.int().nonnegative(),
  draining: z.boolean(),
  /** The last advert of a daemon that stops in good order. */
  leaving: z.boolean(),
  /** No daemon: a process that speaks for the node over SSH while its daemon is away. */
  stand_in: z.literal(true).optional(),
  /** Takes nothing new: its disk has no room for another result. */
  full: z.boolean().default(false),
  /** Results on disk that the report stream has not acknowledged. */
  outbox: z.int().nonnegative(),
  /** Revision of the desired state last applied by `configure`; 0 before the first. */
  config_revision: z.int().nonnegative(),
  /** Endpoints on which the node's own file permits Ollama agents that are defined by a registration. */
  ollama_endpoints: z.array(z.string().max(255)).max(100).default([]),
  host: HostStatusSchema,
  agents: z.array(AgentStatusSchema).max(1_000),
  running: z.array(RunningAttemptSchema).max(10_000),
});
export type Advert = z.infer<typeof AdvertSchema>;
