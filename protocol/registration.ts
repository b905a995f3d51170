/** What an operator wants of an agent, kept in the registry; a node applies it within the ceilings of its own file. */
import { z } from 'zod';
import {
  AgentTypeSchema,
  EndpointSchema,
  LabelsSchema,
  ModelSchema,
  NameSchema,
  SpecialtySchema,
  VersionRangeSchema,
} from './agent.ts';

/**
 * Whether tasks may reach an agent over SSH. `on`: while its node cannot be reached over NATS. `only`: never otherwise.
 * The coordinator's own; a node has nothing to do with it.
 */
export const SSH_FALLBACKS = ['off', 'on', 'only'] as const;
export const SshFallbackSchema = z.enum(SSH_FALLBACKS);
export type SshFallback = z.infer<typeof SshFallbackSchema>;

/** An absent field leaves the value of the node's file; of `ssh_fallback`, that of the coordinator's. */
export const AgentSettingsSchema = z.object({
  enabled: z.boolean().optional(),
  /** Counts up to what the node's file allows. */
  max_concurrent: z.int().min(0).max(256).optional(),
  priority: z.int().min(-100).max(100).optional(),
  specialty: z.array(SpecialtySchema).min(1).optional(),
  labels: LabelsSchema.optional(),
  expected_version: VersionRangeSchema.optional(),
  ssh_fallback: SshFallbackSchema.optional(),
});
export type AgentSettings = z.infer<typeof AgentSettingsSchema>;

/** `5m`, `-1` (for ever), or seconds: Ollama's own notation. */
export const KeepAliveSchema = z.union([z.int(), z.string().regex(/^-?\d+(ms|s|m|h)?$/)]);
/** Passed on to Ollama as they stand: `num_ctx`, `temperature`, … */
export const OllamaOptionsSchema = z.record(
  z.string().max(63),
  z.union([z.number(), z.boolean(), z.string().max(1_000), z.array(z.string().max(1_000)).max(64)]),
);

/** An Ollama model as an agent: needs nothing on its node but the permission to reach the endpoint. */
export const OllamaTargetSchema = z.object({
  endpoint: EndpointSchema,
  model: ModelSchema,
  keep_alive: KeepAliveSchema.optional(),
  options: OllamaOptionsSchema.optional(),
});
export type OllamaTarget = z.infer<typeof OllamaTargetSchema>;

/** With `ollama`, an agent that the node's file does not name; without, settings for one that it does. */
export const AgentDefinitionSchema = AgentSettingsSchema.extend({ ollama: OllamaTargetSchema.optional() });
export type AgentDefinition = z.infer<typeof AgentDefinitionSchema>;

/** `<node>.<agent>` in the bucket of agents. */
export const AgentRegistrationSchema = AgentDefinitionSchema.extend({
  v: z.int().positive(),
  node: NameSchema,
  agent_id: NameSchema,
  agent_type: AgentTypeSchema,
  /** The writer's clock, for display. */
  registered_at_ms: z.int().nonnegative(),
  /** What the probe at registration found. */
  cli_version: z.string().max(255).optional(),
  canary: z.enum(['passed', 'skipped']),
});
export type AgentRegistration = z.infer<typeof AgentRegistrationSchema>;

/** `registration` in the bucket of agents: whether agents may be registered at all. */
export const RegistrationPolicySchema = z.object({ v: z.int().positive(), open: z.boolean() });
