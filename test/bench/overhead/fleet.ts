/** What the overhead is measured on: a real fleet, each part a process of its own, and the same CLI outside it. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { type Client, openClient } from '../../../coordinator/cli/client.ts';
import { type ChildDaemon, startDaemon } from '../../../coordinator/embedded/child-daemon.ts';
import { startNatsProcess } from '../../../coordinator/embedded/nats-process.ts';
import { findNatsServer } from '../../../coordinator/embedded/nats-server.ts';
import { poll } from '../../../coordinator/embedded/poll.ts';
import type { CliAgentConfig } from '../../../node-agent/agent-config/cli.ts';
import { loadNodeConfig, type NodeConfig } from '../../../node-agent/config.ts';
import type { DriverOptions } from '../../../node-agent/drivers/launch.ts';
import type { Lifecycle } from '../../../protocol/daemon/lifecycle.ts';
import { createLog } from '../../../protocol/daemon/log.ts';
import { CcliError } from '../../../protocol/errors.ts';
import { DEFAULT_PREFIX } from '../../../protocol/subjects.ts';
import { built, root } from '../../support/built.ts';
import type { BenchmarkIo } from '../benchmark.ts';
import { startModel } from './model.ts';

export const WARM = 'bench-warm';
export const COLD = 'bench-cold';
export const NODE = 'bench';
export const CALLER = 'bench';

const GEMINI = join(root, 'node_modules', '@google', 'gemini-cli', 'bundle', 'gemini.js');
const MODEL = 'gemini-2.5-pro';
const READY_TIMEOUT_MS = 60_000;
const STOP_GRACE_MS = 10_000;

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

export async function startFleet(options: FleetOptions): Promise<BenchFleet> {
  const { lifecycle, signal, say } = options;
  const scratch = await mkdtemp(join(tmpdir(), 'ccli-bench-'));
  lifecycle.defer('scratch', () =>
    rm(scratch, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }),
  );
  const model = await startModel();
  lifecycle.defer('the model', () => model.stop());

  const server = await findNatsServer({ environment: process.env, onStage: say, signal });
  const nats = await startNatsProcess({
    server,
    environment: process.env,
    directory: join(scratch, 'nats'),
    log_file: join(scratch, 'nats-server.log'),
    server_name: 'bench',
    port: 'any',
    sync: 'always',
    signal,
  });
  lifecycle.defer('nats-server', () => nats.stop());

  // Nothing of the operator's own settings or sign-in, on either side.
  const home = join(scratch, 'home');
  await mkdir(home);
  const environment = { PATH: process.env['PATH'], HOME: home, ...model.environment };
  const agent = {
    agent_type: 'cli_gemini',
    command: GEMINI,
    model: MODEL,
    max_sessions: options.max_sessions,
  };
  const file = join(scratch, 'node-agent.yaml');
  const agents = [
    { ...agent, id: WARM, driver: 'acp' },
    { ...agent, id: COLD, driver: 'headless' },
  ];
  await writeFile(file, stringify({ node: NODE, state_dir: join(scratch, 'node-agent'), agents }));

  const start = async (name: 'coordinator' | 'node-agent', args: readonly string[]): Promise<ChildDaemon> => {
    const daemon = await startDaemon({
      name,
      program: built(`${name}/main.ts`),
      args,
      environment: { ...environment, CCLI_NATS_URL: nats.url, CCLI_DISCOVERED: 'allow' },
      log_file: join(scratch, `${name}.log`),
    });
    lifecycle.defer(name, () => daemon.stop(STOP_GRACE_MS));
    return daemon;
  };
  say('starting nats-server, coordinator and node-agent');
  const coordinator = await start('coordinator', []);
  const node = await start('node-agent', ['--config', file]);
  const client = await openClient({ nats: { url: nats.url }, prefix: DEFAULT_PREFIX });
  lifecycle.defer('client', () => client.close());
  const gemini = await Promise.race([ready(client, signal), coordinator.ended, node.ended]);
  if (gemini instanceof CcliError) throw gemini;

  const config = { ...loadNodeConfig(file, environment), state_dir: join(scratch, 'direct') };
  return {
    nats_url: nats.url,
    client,
    launchOptions: agent_id => ({
      agent: agentOf(config.agents, agent_id),
      config,
      log: createLog({ level: 'silent', name: 'bench' }),
    }),
    versions: { nats_server: client.connection.info?.version ?? 'unknown', gemini },
  };
}

/** The CLI's version, once both agents would take a task. */
async function ready(client: Client, signal: AbortSignal): Promise<string> {
  const look = async (): Promise<string | undefined> => {
    try {
      const { agents } = await client.operations.agents({}, { caller: CALLER, signal });
      const usable = agents.filter(agent => agent.available);
      return usable.length === 2 ? (usable[0]?.cli_version ?? 'unknown') : undefined;
    } catch (error) {
      // The coordinator is still starting.
      if (error instanceof CcliError && error.code === 'no_coordinator') return undefined;
      throw error;
    }
  };
  const version = await poll(look, {
    timeout_ms: READY_TIMEOUT_MS,
    pause_ms: 100,
    max_pause_ms: 500,
    signal,
  });
  if (version === undefined)
    throw new CcliError('start_failed', 'The agents of the benchmark did not become ready.');
  return version;
}

function agentOf(agents: NodeConfig['agents'], agent_id: string): CliAgentConfig {
  const agent = agents.find(({ id }) => id === agent_id);
  if (agent === undefined || agent.agent_type === 'ollama') throw new CcliError('agent_unknown');
  return agent;
}
