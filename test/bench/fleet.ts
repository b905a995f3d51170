/** A real fleet to measure on, each part a process of its own: nats-server, a coordinator, one node. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { type Client, openClient } from '../../coordinator/cli/client.ts';
import { type ChildDaemon, startDaemon } from '../../coordinator/embedded/child-daemon.ts';
import { startNatsProcess } from '../../coordinator/embedded/nats-process.ts';
import { findNatsServer } from '../../coordinator/embedded/nats-server.ts';
import { poll } from '../../coordinator/embedded/poll.ts';
import type { Lifecycle } from '../../protocol/daemon/lifecycle.ts';
import type { Environment } from '../../protocol/daemon/settings.ts';
import { CcliError } from '../../protocol/errors.ts';
import type { AgentView } from '../../protocol/operation.ts';
import { DEFAULT_PREFIX } from '../../protocol/subjects.ts';
import { built } from '../support/built.ts';
import type { BenchmarkIo } from './benchmark.ts';

export const NODE = 'bench';
export const CALLER = 'bench';

const READY_TIMEOUT_MS = 60_000;
const STOP_GRACE_MS = 15_000;

export interface BenchFleet {
  readonly client: Client;
  readonly nats_url: string;
  /** Of the nats-server. */
  readonly version: string;
  /** Removed in the end. */
  readonly scratch: string;
  /** The node's configuration. */
  readonly node_file: string;
  /** What the daemons were given, beside where they find each other: nothing of the operator's settings or sign-in. */
  readonly environment: Environment;
  /** As they were when all of them could take a task. */
  readonly agents: readonly AgentView[];
}

interface FleetOptions extends Pick<BenchmarkIo, 'signal' | 'say'> {
  readonly lifecycle: Lifecycle;
  /** Of the node, besides its name and where its state is. */
  readonly node: { readonly agents: readonly object[] } & Readonly<Record<string, unknown>>;
  readonly environment?: Environment;
  /** For the coordinator alone. */
  readonly coordinator?: Environment;
  /** What stands in the coordinator's file; it has none unless given. */
  readonly coordinator_file?: Readonly<Record<string, unknown>>;
}

export async function startFleet(options: FleetOptions): Promise<BenchFleet> {
  const { lifecycle, signal, say } = options;
  const scratch = await mkdtemp(join(tmpdir(), 'ccli-bench-'));
  lifecycle.defer('scratch', () =>
    rm(scratch, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }),
  );
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

  const home = join(scratch, 'home');
  await mkdir(home);
  const environment = { PATH: process.env['PATH'], HOME: home, ...options.environment };
  const node_file = join(scratch, 'node-agent.yaml');
  await writeFile(
    node_file,
    stringify({ node: NODE, state_dir: join(scratch, 'node-agent'), ...options.node }),
  );
  const start = async (
    name: 'coordinator' | 'node-agent',
    args: readonly string[],
    more: Environment,
  ): Promise<ChildDaemon> => {
    const daemon = await startDaemon({
      name,
      program: built(`${name}/main.ts`),
      args,
      environment: { ...environment, CCLI_NATS_URL: nats.url, ...more },
      log_file: join(scratch, `${name}.log`),
    });
    lifecycle.defer(name, () => daemon.stop(STOP_GRACE_MS));
    return daemon;
  };
  say('starting nats-server, coordinator and node-agent');
  const settings = { CCLI_DISCOVERED: 'allow', CCLI_HTTP: 'false', ...options.coordinator };
  const { coordinator_file } = options;
  const file = join(scratch, 'coordinator.yaml');
  if (coordinator_file !== undefined) await writeFile(file, stringify(coordinator_file));
  const args = coordinator_file === undefined ? [] : ['--config', file];
  const coordinator = await start('coordinator', args, settings);
  const node = await start('node-agent', ['--config', node_file], {});
  const client = await openClient({ nats: { url: nats.url }, prefix: DEFAULT_PREFIX });
  lifecycle.defer('client', () => client.close());
  const count = options.node.agents.length;
  const agents = await Promise.race([ready(client, count, signal), coordinator.ended, node.ended]);
  if (agents instanceof CcliError) throw agents;
  const version = client.connection.info?.version ?? 'unknown';
  return { client, nats_url: nats.url, version, scratch, node_file, environment, agents };
}

/** The agents, once every one would take a task. */
async function ready(client: Client, count: number, signal: AbortSignal): Promise<readonly AgentView[]> {
  const look = async (): Promise<readonly AgentView[] | undefined> => {
    try {
      const { agents } = await client.operations.agents({}, { caller: CALLER, signal });
      // There may be more: those of nodes that are reached another way.
      return agents.filter(agent => agent.available).length >= count ? agents : undefined;
    } catch (error) {
      // The coordinator is still starting.
      if (error instanceof CcliError && error.code === 'no_coordinator') return undefined;
      throw error;
    }
  };
  const limits = { timeout_ms: READY_TIMEOUT_MS, pause_ms: 100, max_pause_ms: 500, signal };
  const agents = await poll(look, limits);
  if (agents === undefined)
    throw new CcliError('start_failed', 'The agents of the benchmark did not become ready.');
  return agents;
}
