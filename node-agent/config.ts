/**
 * The node-agent's configuration: one YAML file, then the environment, everything checked before anything starts and
 * all mistakes told at once. The only place of the node-agent that reads the environment.
 */
import { homedir, hostname } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import {
  type AgentType,
  AgentTypeSchema,
  type DriverName,
  LabelsSchema,
  ModelSchema,
  NameSchema,
  SpecialtySchema,
  ToolPolicySchema,
} from '../protocol/agent.ts';
import {
  DAEMON_VARIABLES,
  daemonShape,
  type Environment,
  loadSettings,
  NATS_VARIABLES,
  natsShape,
  PathSchema,
} from '../protocol/daemon/settings.ts';
import {
  ADVERT_INTERVAL_MS,
  DEFAULT_MAX_OUTPUT_BYTES,
  DEFAULT_TIMEOUT_MS,
  MAX_OUTPUT_BYTES,
  MAX_PROMPT_BYTES,
  MAX_TIMEOUT_MS,
} from '../protocol/limits.ts';
import { DurationSchema, SizeSchema } from '../protocol/quantity.ts';

/** The gemini CLI answers larger prompts with silence and exit code 0. */
const GEMINI_MAX_PROMPT_BYTES = 4 * 1024 * 1024;

const AgentConfigSchema = z
  .strictObject({
    id: NameSchema,
    agent_type: AgentTypeSchema,
    /** `acp` keeps a warm process, `headless` starts one per task. */
    driver: z.enum(['acp', 'headless']).optional(),
    model: ModelSchema.optional(),
    /** The only models tasks may name; any when absent. */
    models: z.array(ModelSchema).optional(),
    /** A version or alias under nvm: `v22.14.0`, `22`, `lts/jod`. The daemon's own Node when absent. */
    node_version: z.string().min(1).optional(),
    /** A path or a name; for gemini, found under nvm, on PATH, or in the package itself when absent. */
    command: z.string().min(1).optional(),
    args: z.array(z.string()).default([]),
    /** Set in the tool's environment as they stand. */
    env: z.record(z.string(), z.string()).default({}),
    /** Names of the daemon's own variables that the tool may see: keys and the like. */
    pass_env: z.array(z.string()).default([]),
    timeout: DurationSchema.refine(ms => ms <= MAX_TIMEOUT_MS, 'at most 24h').default(DEFAULT_TIMEOUT_MS),
    max_concurrent: z.int().min(1).max(256).default(2),
    specialty: z
      .union([SpecialtySchema.transform(one => [one]), z.array(SpecialtySchema)])
      .default(['general_ai']),
    priority: z.int().min(-100).max(100).default(0),
    labels: LabelsSchema.default({}),
    /** Where tasks work; a directory of their own each when absent. */
    cwd: PathSchema.optional(),
    tool_policy: ToolPolicySchema.default('deny'),
    max_prompt: SizeSchema.refine(bytes => bytes <= MAX_PROMPT_BYTES, 'at most 32MiB').optional(),
    /** A CLI home (`.gemini`) whose settings and sign-in the tool starts from. */
    home: PathSchema.optional(),
    /** How long a running tool may give no sign of life before it is stopped. */
    idle_timeout: DurationSchema.optional(),
    /** Sessions one warm process may serve before a fresh one takes over. */
    max_sessions: z.int().min(1).default(100),
    /** How old a warm process may grow, likewise. */
    max_age: DurationSchema.default(6 * 3_600_000),
    /** How much memory a warm process may hold, likewise. */
    max_memory: SizeSchema.default(1536 * 1024 * 1024),
    /** How often a warm process is asked whether it still answers. */
    health_interval: DurationSchema.default(30_000),
  })
  .transform(agent => ({
    ...agent,
    driver: agent.driver ?? defaultDriver(agent.agent_type),
    ...idleTimeoutOf(agent),
    max_prompt:
      agent.max_prompt ?? (agent.agent_type === 'cli_gemini' ? GEMINI_MAX_PROMPT_BYTES : 8 * 1024 * 1024),
  }))
  .refine(agent => agent.agent_type !== 'cli_generic' || agent.command !== undefined, {
    path: ['command'],
    message: 'a cli_generic agent needs one',
  })
  .refine(({ model, models }) => model === undefined || models === undefined || models.includes(model), {
    path: ['model'],
    message: 'it is not one of `models`',
  })
  .refine(agent => agent.agent_type !== 'ollama', {
    path: ['agent_type'],
    message: 'ollama agents are not served yet',
  });

export type AgentConfig = z.infer<typeof AgentConfigSchema>;

const defaultDriver = (type: AgentType): Extract<DriverName, 'acp' | 'headless'> =>
  type === 'cli_gemini' ? 'acp' : 'headless';

const DEFAULT_IDLE_TIMEOUT_MS = 180_000;

/** A CLI that only prints its answer may well be silent until it has it: it is not watched unless the file says so. */
function idleTimeoutOf({
  idle_timeout,
  driver,
  agent_type,
}: {
  idle_timeout?: number | undefined;
  driver?: 'acp' | 'headless' | undefined;
  agent_type: AgentType;
}): { idle_timeout?: number } {
  const watched = (driver ?? defaultDriver(agent_type)) === 'acp' || agent_type === 'cli_gemini';
  if (idle_timeout === undefined) return watched ? { idle_timeout: DEFAULT_IDLE_TIMEOUT_MS } : {};
  return { idle_timeout };
}

/** Of a list that may not have been found valid. */
function hasDistinctIds(agents: unknown): boolean {
  const found = z.array(z.object({ id: z.string() })).safeParse(agents);
  return !found.success || new Set(found.data.map(agent => agent.id)).size === found.data.length;
}

const NodeConfigSchema = z.strictObject({
  node: NameSchema.default(() => defaultNodeName()),
  ...daemonShape,
  nats: z.strictObject(natsShape).prefault({}),
  /** Journal, outbox, homes and working directories live here. */
  state_dir: PathSchema.default(() => join(homedir(), '.local', 'state', 'ccli', 'node-agent')),
  nvm_dir: PathSchema.optional(),
  advert_interval: DurationSchema.default(ADVERT_INTERVAL_MS),
  max_output: SizeSchema.refine(bytes => bytes <= MAX_OUTPUT_BYTES, 'at most 64MiB').default(
    DEFAULT_MAX_OUTPUT_BYTES,
  ),
  /** How long a stopping daemon lets running tasks finish. */
  drain_timeout: DurationSchema.default(30_000),
  agents: z
    .array(AgentConfigSchema)
    .default([])
    .refine(hasDistinctIds, {
      message: 'two agents have the same id',
      // Told together with whatever else is wrong.
      when: () => true,
    }),
});
export type NodeConfig = z.infer<typeof NodeConfigSchema> & {
  /** The daemon's own variables, from which tools get an allow-listed part. */
  readonly environment: Environment;
};

const defaultNodeName = (): string =>
  (hostname().split('.')[0] ?? '')
    .toLowerCase()
    .replace(/[^a-z0-9_-]/g, '-')
    .replace(/^[-_]+/, '')
    .slice(0, 63) || 'node';

/** @throws CcliError `config_invalid` naming the file and every setting that is wrong. */
export function loadNodeConfig(file: string | undefined, environment: Environment = process.env): NodeConfig {
  const settings = loadSettings(NodeConfigSchema, file, environment, {
    top: { ...DAEMON_VARIABLES, node: 'CCLI_NODE', state_dir: 'CCLI_STATE_DIR' },
    nats: NATS_VARIABLES,
  });
  // nvm sets NVM_DIR for whoever happens to be logged in: what the file says is meant for this daemon.
  const nvm_dir = settings.nvm_dir ?? environment['NVM_DIR'];
  return { ...settings, ...(nvm_dir !== undefined && nvm_dir !== '' && { nvm_dir }), environment };
}
