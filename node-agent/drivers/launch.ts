/** Everything a CLI process needs before it starts: its file, its environment and, for gemini, its home. */
import type { ToolPolicy } from '../../protocol/agent.ts';
import type { Log } from '../../protocol/daemon/log.ts';
import type { Environment } from '../../protocol/daemon/settings.ts';
import type { CliAgentConfig } from '../agent-config/cli.ts';
import { presetOf } from '../presets/effective.ts';
import { findSignIn, notSignedIn } from '../presets/sign-in.ts';
import { withSecrets } from '../process/env-files.ts';
import { childEnvironment } from '../process/environment.ts';
import { type Executable, findExecutable } from '../process/executable.ts';
import { type GeminiHome, makeGeminiHome } from '../process/home.ts';
import { leftoverMark } from '../process/ledger.ts';
import { makeWorkspace } from '../process/workspace.ts';
import type { Probe } from './driver.ts';

/** What `createDriver` is given of the node's configuration. */
export interface DriverConfig {
  readonly state_dir: string;
  readonly nvm_dir?: string | undefined;
  readonly environment: Environment;
  /** What an answer may be long; the most there is when absent. */
  readonly max_output?: number | undefined;
}

export interface DriverOptions {
  readonly agent: CliAgentConfig;
  readonly config: DriverConfig;
  readonly log: Log;
}

export interface Launch {
  readonly executable: Executable;
  readonly env: Readonly<Record<string, string>>;
  readonly home: GeminiHome | undefined;
  /** To be told by whoever starts the process: what no signal ends stays, and somebody has to look at it. */
  readonly onNotKilled: (pgids: readonly number[]) => void;
  /** Gives back what was made on disk, once the process is gone. */
  remove(): Promise<void>;
}

/** `auto` would ask another model first which one to take. */
const DEFAULT_GEMINI_MODEL = 'gemini-2.5-pro';

/** The model a process of the agent starts with. */
export const startModel = (agent: CliAgentConfig): string | undefined =>
  agent.model ?? (agent.agent_type === 'cli_gemini' ? DEFAULT_GEMINI_MODEL : undefined);

/** @throws CcliError `node_version_missing`, `cli_missing`, `config_invalid`. */
export async function prepareLaunch(
  { agent: written, config, log }: DriverOptions,
  policy: ToolPolicy,
): Promise<Launch> {
  const agent = await withSecrets(written, config.environment);
  const executable = await findExecutable(agent, config);
  const home =
    agent.agent_type === 'cli_gemini'
      ? await makeGeminiHome({ agent, ...config, policy, node_version: executable.node.version })
      : undefined;
  return {
    executable,
    home,
    onNotKilled: pgids => {
      log.error('process_not_killed', { pgids });
    },
    env: childEnvironment({
      agent,
      policy,
      environment: config.environment,
      node_bin: executable.node.bin,
      set: { ...home?.environment, ...leftoverMark(agent.id, config.state_dir) },
    }),
    async remove() {
      await home?.remove();
    },
  };
}

/** What a probe says of the files that run. */
export const runningOn = ({
  path,
  node,
}: Executable): Pick<Probe, 'node_version' | 'cli_path' | 'node_path'> => ({
  node_version: node.version,
  cli_path: path,
  node_path: node.node,
});

/**
 * What a probe says of the sign-in, once the CLI has been found and, where it speaks the protocol, has opened a session.
 *
 * @throws CcliError `cli_not_signed_in`, `config_invalid`
 */
export async function signInOf({ agent: written, config }: DriverOptions): Promise<'yes' | 'unknown'> {
  const agent = await withSecrets(written, config.environment);
  const shows = presetOf(agent)?.sign_in.shows ?? 'session';
  if (agent.driver === 'acp' && (shows === 'session' || shows === 'own_home')) return 'yes';
  const environment = childEnvironment({
    agent,
    policy: agent.tool_policy,
    environment: config.environment,
    node_bin: '',
  });
  const found = await findSignIn(agent, environment);
  if (found === 'no') throw notSignedIn(agent);
  return found;
}

/**
 * A launch for one task, with the place where it works.
 *
 * @throws CcliError as `prepareLaunch`; whatever fails, no home with a sign-in in it stays behind.
 */
export async function prepareTask(
  options: DriverOptions,
  policy: ToolPolicy,
): Promise<Launch & { readonly cwd: string }> {
  const launch = await prepareLaunch(options, policy);
  try {
    const workspace = await makeWorkspace(options.agent, options.config.state_dir);
    return {
      ...launch,
      cwd: workspace.path,
      async remove() {
        try {
          await workspace.remove();
        } finally {
          await launch.remove();
        }
      },
    };
  } catch (error) {
    await launch.remove();
    throw error;
  }
}
