/** What an agent is, and how it shows on the wire. */
import { z } from 'zod';
import { ErrorBodySchema, ErrorCodeSchema } from './errors.ts';
import { NAME_PATTERN } from './subjects.ts';

export const AGENT_TYPES = [
  'cli_gemini',
  'cli_claude',
  'cli_codex',
  'cli_qwen',
  'cli_opencode',
  'cli_generic',
  'ollama',
] as const;
export const AgentTypeSchema = z.enum(AGENT_TYPES);
export type AgentType = z.infer<typeof AgentTypeSchema>;

export const SPECIALTIES = [
  'kernel_dev',
  'pytorch_dev',
  'profiler',
  'docs_writer',
  'tester',
  'general_ai',
  'reasoning',
] as const;
export const SpecialtySchema = z.enum(SPECIALTIES);

/** `deny`: no tool call is allowed. `auto_edit`: file edits are. `yolo`: all are. A task may only narrow it. */
export const TOOL_POLICIES = ['deny', 'auto_edit', 'yolo'] as const;
export const ToolPolicySchema = z.enum(TOOL_POLICIES);
export type ToolPolicy = z.infer<typeof ToolPolicySchema>;

export const DriverNameSchema = z.enum(['acp', 'headless', 'pty', 'ollama']);
export type DriverName = z.infer<typeof DriverNameSchema>;

export const NameSchema = z
  .string()
  .regex(NAME_PATTERN, 'lower-case letters, digits, "-" and "_", at most 63');
/** Longest model name and longest version on any wire. */
export const MAX_TERM_CHARS = 255;

/** It may become an argument of a command line, where a leading "-" would make it an option. */
export const ModelSchema = z
  .string()
  .max(MAX_TERM_CHARS)
  .regex(
    /^[A-Za-z0-9][\w.:/@+-]*$/,
    'a model name: a letter or digit first, then letters, digits and any of "_ . : / @ + -", at most 255',
  );

export const LabelsSchema = z.record(z.string().max(63), z.string().max(255));

/**
 * `ready`: takes tasks. `starting`: will soon. `unavailable`: cannot until somebody mends `problem`.
 */
export const AgentHealthSchema = z.enum(['ready', 'starting', 'unavailable']);

/** One agent as its node advertises it. */
export const AgentStatusSchema = z.object({
  agent_id: NameSchema,
  agent_type: AgentTypeSchema,
  driver: DriverNameSchema,
  specialty: z.array(SpecialtySchema),
  /** The model a task gets when it names none. */
  model: z.string().max(255).optional(),
  /** The only models a task may name; absent when any may be tried. */
  models: z.array(z.string().max(255)).optional(),
  labels: LabelsSchema,
  priority: z.int(),
  max_concurrent: z.int().nonnegative(),
  running: z.int().nonnegative(),
  enabled: z.boolean(),
  health: AgentHealthSchema,
  problem: ErrorBodySchema.optional(),
  /** Version of the CLI and of the Node it runs under, once found. */
  cli_version: z.string().max(255).optional(),
  node_version: z.string().max(64).optional(),
  signed_in: z.enum(['yes', 'no', 'unknown']),
  /** Whether the next task finds a process that is already up. */
  warm: z.boolean(),
  tool_policy: ToolPolicySchema,
  timeout_ms: z.int().positive(),
  max_prompt_bytes: z.int().positive(),
  /** What remains of the pause after a rate limit, a used-up quota or an overload, and which of them it was. */
  cooldown_ms: z.int().nonnegative().optional(),
  cooldown_code: ErrorCodeSchema.optional(),
  /** The driver that stands in while the agent's own keeps failing. */
  fallback_driver: DriverNameSchema.optional(),
});
export type AgentStatus = z.infer<typeof AgentStatusSchema>;
