/** Two nodes of one fleet on the same host: one on NATS, and one that can be reached over SSH alone. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { poll } from '../../../coordinator/embedded/poll.ts';
import type { CliAgentConfig } from '../../../node-agent/agent-config/cli.ts';
import { loadNodeConfig } from '../../../node-agent/config.ts';
import type { DriverOptions } from '../../../node-agent/drivers/launch.ts';
import type { Lifecycle } from '../../../protocol/daemon/lifecycle.ts';
import { lockHolder } from '../../../protocol/daemon/lock.ts';
import { createLog } from '../../../protocol/daemon/log.ts';
import { CcliError } from '../../../protocol/errors.ts';
import { built } from '../../support/built.ts';
import { runs } from '../../support/running.ts';
import type { BenchmarkIo } from '../benchmark.ts';
import { type BenchFleet, CALLER, startFleet as startBenchFleet } from '../fleet.ts';
import { MODEL } from '../overhead/fleet.ts';
import { type BenchHost, NODE_VERSION } from './host.ts';

export const BY_NATS = 'bench-nats';
export const BY_SSH = 'bench-ssh';
const SSH_NODE = 'benchssh';

const SSH_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 20_000;

export interface SshFleet extends BenchFleet {
  /** How the node-agent would start the CLI, for starting it without the node-agent. */
  readonly launch: DriverOptions;
  /** Why the node behind SSH cannot be measured; undefined when it can. */
  readonly by_ssh_missing: string | undefined;
}

interface FleetOptions extends Pick<BenchmarkIo, 'signal' | 'say'> {
  readonly lifecycle: Lifecycle;
  readonly host: BenchHost;
  readonly directory: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Sessions one warm process may serve: recycling it is not what is measured. */
  readonly max_sessions: number;
}

export async function startFleet(options: FleetOptions): Promise<SshFleet> {
  const { host, directory, environment, max_sessions, ...rest } = options;
  const { nvm_dir } = host;
  const agent = {
    agent_type: 'cli_gemini',
    model: MODEL,
    driver: 'acp',
    node_version: NODE_VERSION,
    max_sessions,
  };
  const state_dir = join(directory, 'node-by-ssh');
  const ssh_file = join(directory, 'node-by-ssh.yaml');
  await writeFile(
    ssh_file,
    stringify({ node: SSH_NODE, state_dir, nvm_dir, agents: [{ ...agent, id: BY_SSH }] }),
  );
  const command = [process.execPath, built('node-agent/program.ts'), 'node-agent', 'exec', '--stdio'];
  const ssh = {
    config_file: host.config_file,
    hosts: { [SSH_NODE]: { host: host.name, fallback: 'only', command: [...command, '--config', ssh_file] } },
  };
  // Deferred first, so that it is ended last: when no coordinator can start it again.
  rest.lifecycle.defer('the stand-in', () => endStandIn(state_dir));
  const fleet = await startBenchFleet({
    ...rest,
    node: { nvm_dir, agents: [{ ...agent, id: BY_NATS }] },
    environment,
    coordinator_file: { ssh },
  });
  const config = {
    ...loadNodeConfig(fleet.node_file, fleet.environment),
    state_dir: join(directory, 'direct'),
  };
  return {
    ...fleet,
    launch: { agent: cliAgent(config.agents[0]), config, log: createLog({ level: 'silent', name: 'bench' }) },
    by_ssh_missing: await waitForSsh(fleet, options),
  };
}

function cliAgent(agent: ReturnType<typeof loadNodeConfig>['agents'][number] | undefined): CliAgentConfig {
  if (agent === undefined || agent.agent_type === 'ollama') throw new CcliError('agent_unknown');
  return agent;
}

async function waitForSsh(
  { client }: BenchFleet,
  { signal, say }: FleetOptions,
): Promise<string | undefined> {
  say('waiting for the node that is reached over SSH');
  let seen = 'it never showed';
  const look = async (): Promise<true | undefined> => {
    const { agents } = await client.operations.agents({}, { caller: CALLER, signal });
    const agent = agents.find(({ agent_id }) => agent_id === BY_SSH);
    if (agent !== undefined) seen = agent.problem?.message ?? `its health is ${agent.health}`;
    return agent?.available === true ? true : undefined;
  };
  const limits = { timeout_ms: SSH_TIMEOUT_MS, pause_ms: 100, max_pause_ms: 500, signal };
  return (await poll(look, limits)) === true ? undefined : seen;
}

/** It outlives the line that started it: that is what it is for. */
async function endStandIn(state_dir: string): Promise<void> {
  const pid = (await lockHolder(state_dir, 'node-agent').catch(() => undefined))?.pid;
  if (pid === undefined || !runs(pid)) return;
  process.kill(pid, 'SIGTERM');
  const gone = (): true | undefined => (runs(pid) ? undefined : true);
  await poll(gone, { timeout_ms: STOP_TIMEOUT_MS, pause_ms: 50, max_pause_ms: 250 });
}
