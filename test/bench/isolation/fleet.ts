/** A real fleet, each part a process of its own: one node with an Ollama agent beside CLI agents that misbehave. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { type Client, openClient } from '../../../coordinator/cli/client.ts';
import { type ChildDaemon, startDaemon } from '../../../coordinator/embedded/child-daemon.ts';
import { startNatsProcess } from '../../../coordinator/embedded/nats-process.ts';
import { findNatsServer } from '../../../coordinator/embedded/nats-server.ts';
import { poll } from '../../../coordinator/embedded/poll.ts';
import type { Lifecycle } from '../../../protocol/daemon/lifecycle.ts';
import { CcliError } from '../../../protocol/errors.ts';
import { DEFAULT_PREFIX } from '../../../protocol/subjects.ts';
import { built } from '../../support/built.ts';
import type { BenchmarkIo } from '../benchmark.ts';
import { KINDS, MAX_OUTPUT_BYTES, SCRIPTED } from './kinds.ts';
import { MODEL, startOllama } from './model.ts';

export const OLLAMA = 'bench-ollama';
/** Tasks of it that run at the same time. */
export const SLOTS = 4;
export const CALLER = 'bench';

const READY_TIMEOUT_MS = 60_000;
const STOP_GRACE_MS = 15_000;

interface FleetOptions extends Pick<BenchmarkIo, 'signal' | 'say'> {
  readonly lifecycle: Lifecycle;
}

export async function startFleet({ lifecycle, signal, say }: FleetOptions): Promise<Client> {
  const scratch = await mkdtemp(join(tmpdir(), 'ccli-bench-'));
  lifecycle.defer('scratch', () =>
    rm(scratch, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }),
  );
  const ollama = await startOllama();
  lifecycle.defer('the model', () => ollama.stop());
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
  const file = join(scratch, 'node-agent.yaml');
  const agents = [
    { id: OLLAMA, agent_type: 'ollama', endpoint: ollama.url, model: MODEL, max_concurrent: SLOTS },
    ...[...KINDS.keys()].map(id => ({ id, agent_type: 'cli_generic', command: SCRIPTED, max_concurrent: 1 })),
  ];
  await writeFile(
    file,
    stringify({
      node: 'bench',
      state_dir: join(scratch, 'node-agent'),
      max_output: `${MAX_OUTPUT_BYTES / 1024}KiB`,
      agents,
    }),
  );
  const start = async (name: 'coordinator' | 'node-agent', args: readonly string[]): Promise<ChildDaemon> => {
    const daemon = await startDaemon({
      name,
      program: built(`${name}/main.ts`),
      args,
      environment: {
        PATH: process.env['PATH'],
        HOME: home,
        CCLI_NATS_URL: nats.url,
        CCLI_DISCOVERED: 'allow',
      },
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
  const failed = await Promise.race([ready(client, agents.length, signal), coordinator.ended, node.ended]);
  if (failed instanceof CcliError) throw failed;
  return client;
}

/** Resolves once every agent would take a task. */
async function ready(client: Client, count: number, signal: AbortSignal): Promise<undefined> {
  const look = async (): Promise<true | undefined> => {
    try {
      const { agents } = await client.operations.agents({}, { caller: CALLER, signal });
      return agents.filter(agent => agent.available).length === count ? true : undefined;
    } catch (error) {
      // The coordinator is still starting.
      if (error instanceof CcliError && error.code === 'no_coordinator') return undefined;
      throw error;
    }
  };
  const limits = { timeout_ms: READY_TIMEOUT_MS, pause_ms: 100, max_pause_ms: 500, signal };
  if ((await poll(look, limits)) === undefined)
    throw new CcliError('start_failed', 'The agents of the benchmark did not become ready.');
}
