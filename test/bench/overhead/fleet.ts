/** What the overhead is measured on: a warm and a cold agent of the real CLI, and the same CLI outside the fleet. */
import { join } from 'node:path';
import type { Client } from '../../../coordinator/cli/client.ts';
import type { CliAgentConfig } from '../../../node-agent/agent-config/cli.ts';
import { loadNodeConfig, type NodeConfig } from '../../../node-agent/config.ts';
import type { DriverOptions } from '../../../node-agent/drivers/launch.ts';
import type { Lifecycle } from '../../../protocol/daemon/lifecycle.ts';
import { createLog } from '../../../protocol/daemon/log.ts';
import { CcliError } from '../../../protocol/errors.ts';
import { root } from '../../support/built.ts';
import type { BenchmarkIo } from '../benchmark.ts';
import { startFleet as startBenchFleet } from '../fleet.ts';
import { startModel } from './model.ts';

export const WARM = 'bench-warm';
export const COLD = 'bench-cold';

const GEMINI = join(root, 'node_modules', '@google', 'gemini-cli', 'bundle', 'gemini.js');
export const MODEL = 'gemini-2.5-pro';

export interface BenchFleet {
  readonly nats_url: string;
  readonly client: Client;
  /** How the node-agent would start an agent's CLI, for starting it without the node-agent. */
  readonly launchOptions: (agent_id: string) => DriverOptions;
  readonly versions: { readonly nats_server: string; readonly gemini: string };
}

interface FleetOptions extends Pick<BenchmarkIo, 'signal' | 'say'> {
  readonly lifecycle: Lifecycle;
  /** Sessions one warm process may serve: recycling it is not what is measured. */
  readonly max_sessions: number;
}

export async function startFleet({ max_sessions, ...options }: FleetOptions): Promise<BenchFleet> {
  const model = await startModel();
  options.lifecycle.defer('the model', () => model.stop());
  const agent = { agent_type: 'cli_gemini', command: GEMINI, model: MODEL, max_sessions };
  const agents = [
    { ...agent, id: WARM, driver: 'acp' },
    { ...agent, id: COLD, driver: 'headless' },
  ];
  const fleet = await startBenchFleet({ ...options, node: { agents }, environment: model.environment });
  const state_dir = join(fleet.scratch, 'direct');
  const config = { ...loadNodeConfig(fleet.node_file, fleet.environment), state_dir };
  return {
    nats_url: fleet.nats_url,
    client: fleet.client,
    launchOptions: agent_id => ({
      agent: agentOf(config.agents, agent_id),
      config,
      log: createLog({ level: 'silent', name: 'bench' }),
    }),
    versions: { nats_server: fleet.version, gemini: fleet.agents[0]?.cli_version ?? 'unknown' },
  };
}

function agentOf(agents: NodeConfig['agents'], agent_id: string): CliAgentConfig {
  const agent = agents.find(({ id }) => id === agent_id);
  if (agent === undefined || agent.agent_type === 'ollama') throw new CcliError('agent_unknown');
  return agent;
}
