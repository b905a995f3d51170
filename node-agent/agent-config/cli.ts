/** A command-line tool as an agent. */
import { z } from 'zod';
import { ModelSchema, ToolPolicySchema, VersionRangeSchema } from '../../protocol/agent.ts';
import { PathSchema } from '../../protocol/daemon/settings.ts';
import { DurationSchema, SizeSchema } from '../../protocol/quantity.ts';
import type { CliDriver } from '../presets/preset.ts';
import { PRESETS } from '../presets/table.ts';
import { checkCli } from './check-cli.ts';
import { CLI_TYPES, type CliType } from './cli-type.ts';
import { commonShape } from './every-agent.ts';
import { printShape } from './print.ts';
import { SecretFileSchema } from './secret-file.ts';

/** The gemini CLI answers larger prompts with silence and exit code 0. */
const GEMINI_MAX_PROMPT_BYTES = 4 * 1024 * 1024;

export const CliAgentConfigSchema = z
  .strictObject({
    ...commonShape,
    agent_type: z.enum(CLI_TYPES),
    /** `acp` keeps a warm process, `headless` starts one per task. That of the preset when absent. */
    driver: z.enum(['acp', 'headless']).optional(),
    model: ModelSchema.optional(),
    /** The only models tasks may name; any when absent. */
    models: z.array(ModelSchema).optional(),
    /** A version or alias under nvm: `v22.14.0`, `22`, `lts/jod`. The daemon's own Node when absent. */
    node_version: z.string().min(1).optional(),
    /** A path or a name; that of the preset when absent. */
    command: z.string().min(1).optional(),
    /** Come after those of the preset. */
    args: z.array(z.string()).default([]),
    /** How a CLI that speaks ACP may be told to sign in, once it asks for that: the id of one of its methods. */
    auth_method: z.string().min(1).max(255).optional(),
    /** Which of its modes a CLI that speaks ACP is put into, by tool policy. */
    modes: z
      .strictObject({
        deny: z.string().min(1).optional(),
        auto_edit: z.string().min(1).optional(),
        yolo: z.string().min(1).optional(),
      })
      .default({}),
    ...printShape,
    /** Set in the tool's environment as they stand. */
    env: z.record(z.string(), z.string()).default({}),
    /** Variables whose values are what stands in a file, read whenever the tool is started. */
    env_files: z
      .record(z.string().regex(/^[A-Za-z_]\w*$/, 'the name of a variable'), SecretFileSchema)
      .default({}),
    /** Names of the daemon's own variables that the tool may see: keys and the like. */
    pass_env: z.array(z.string()).default([]),
    /** Where tasks work; a directory of their own each when absent. */
    cwd: PathSchema.optional(),
    tool_policy: ToolPolicySchema.default('deny'),
    /** Where the CLI's settings and sign-in are: gemini works on a copy, others that can be told a home, in it. */
    home: PathSchema.optional(),
    /** Sessions one warm process may serve before a fresh one takes over. */
    max_sessions: z.int().min(1).default(100),
    /** How old a warm process may grow, likewise. */
    max_age: DurationSchema.default(6 * 3_600_000),
    /** How much memory a warm process may hold, likewise. */
    max_memory: SizeSchema.default(1536 * 1024 * 1024),
    /** The version it is pinned to, exactly or as a range; with another one it takes no work. */
    expected_version: VersionRangeSchema.optional(),
    /** Other executables that `ccli agents verify` may try: paths on this host. */
    alternatives: z.array(PathSchema).default([]),
    /** How often a warm process is asked whether it still answers. */
    health_interval: DurationSchema.default(30_000),
  })
  .superRefine(checkCli)
  .transform(agent => ({
    ...agent,
    driver: agent.driver ?? defaultDriver(agent.agent_type),
    ...idleTimeoutOf(agent),
    max_prompt:
      agent.max_prompt ?? (agent.agent_type === 'cli_gemini' ? GEMINI_MAX_PROMPT_BYTES : 8 * 1024 * 1024),
  }));

export type CliAgentConfig = z.infer<typeof CliAgentConfigSchema>;

const defaultDriver = (type: CliType): CliDriver => PRESETS[type]?.driver ?? 'headless';

const DEFAULT_IDLE_TIMEOUT_MS = 180_000;

/** A CLI that only prints its answer may well be silent until it has it: it is not watched unless the file says so. */
function idleTimeoutOf({
  idle_timeout,
  driver,
  agent_type,
}: {
  idle_timeout?: number | undefined;
  driver?: CliDriver | undefined;
  agent_type: CliType;
}): { idle_timeout?: number } {
  const watched = (driver ?? defaultDriver(agent_type)) === 'acp' || agent_type === 'cli_gemini';
  if (idle_timeout === undefined) return watched ? { idle_timeout: DEFAULT_IDLE_TIMEOUT_MS } : {};
  return { idle_timeout };
}
