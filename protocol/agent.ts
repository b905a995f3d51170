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
  'cli_antigravity',
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

/** An exact version, or a range in the notation of npm: `0.61.0`, `^0.61.0`, `>=0.60 <0.62`. */
export const VersionRangeSchema = z
  .string()
  .max(255)
  .regex(/^[\w.\s<>=^~*|+-]+$/, 'a version or a range of versions, such as "0.61.0" or ">=0.60 <0.62"')
  .refine(namesVersions, 'a version on each side of "||"; any version is "*"');

/** What is blank, or only a build (`+7`), fits every version in the notation of npm: nobody means that by it. */
function namesVersions(range: string): boolean {
  return range.split('||').every(one => /[\da-z*]/i.test(one.replace(/\+\S*/g, '')));
}

/** Where Ollama serves its two APIs below its base URL, as far as it is written down in lists of servers. */
export const API_PATH =
  /\/(api|v1)(\/(chat|completions|embed|embeddings|generate|models|ps|show|tags|version))*$/;

/**
 * The base URL of an HTTP service: scheme, host and port, without credentials, query or fragment. In one notation,
 * as endpoints are compared letter by letter: a lower-case host, and no slash at the end.
 */
export const EndpointSchema = z
  .url({ protocol: /^https?$/, error: 'a URL such as "http://host:11434"', abort: true })
  .max(255)
  .refine(
    url => /^https?:\/\/[^/\\@?#\s]+(\/[^\\@?#\s]*)?$/i.test(url),
    'a URL without credentials, query or fragment',
  )
  .transform(url => url.replace(/^[^/]+\/\/[^/]+/, base => base.toLowerCase()).replace(/\/+$/, ''))
  .refine(
    url => !API_PATH.test(url.replace(/^https?:\/\/[^/]+/, '')),
    'the base URL of the server, without "/api" or "/v1"',
  );

const MAX_LABELS = 64;

/** Counted before they are looked at: a million wrong ones would be a million complaints. */
export const LabelsSchema = z.preprocess(
  (labels, context) => {
    if (typeof labels !== 'object' || labels === null || Object.keys(labels).length <= MAX_LABELS)
      return labels;
    context.addIssue({ code: 'custom', message: `at most ${MAX_LABELS} labels` });
    return z.NEVER;
  },
  z.record(z.string().max(63), z.string().max(255)),
);

/**
 * `ready`: takes tasks. `starting`: will soon. `unavailable`: cannot until somebody mends `problem`.
 */
export const AgentHealthSchema = z.enum(['ready', 'starting', 'unavailable']);

/** How the agent did lately, from its last runs; those that ended for a reason of the task itself do not count. */
export const RecentRunsSchema = z.object({
  runs: z.int().nonnegative(),
  failed: z.int().nonnegative(),
  /** Medians of those that succeeded. */
  first_chunk_ms: z.number().nonnegative().optional(),
  run_ms: z.number().nonnegative().optional(),
});
export type RecentRuns = z.infer<typeof RecentRunsSchema>;

/** Bytes. */
export const GpuMemorySchema = z.object({
  total_bytes: z.int().nonnegative(),
  free_bytes: z.int().nonnegative(),
});

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
  /** What runs on the node: the CLI's executable or script, and the Node it runs under. */
  cli_path: z.string().max(4_096).optional(),
  node_path: z.string().max(4_096).optional(),
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
  /** Where the agent's model is served; absent for a CLI, which runs on the node itself. */
  endpoint: z.string().max(255).optional(),
  /** Models that are in memory already and answer without being loaded; absent where that cannot be known. */
  loaded_models: z.array(z.string().max(255)).optional(),
  /** Of the GPUs its model runs on, where they are known. */
  gpu_memory: GpuMemorySchema.optional(),
  /** The CLI version it is pinned to; with another one it is `unavailable` with `version_mismatch`. */
  expected_version: z.string().max(255).optional(),
  recent: RecentRunsSchema.optional(),
});
export type AgentStatus = z.infer<typeof AgentStatusSchema>;
