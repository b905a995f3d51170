/** The parts of an embedded fleet, each with its way to stop. */
import { join, resolve } from 'node:path';
import type { NatsSettings } from '../../protocol/daemon/connect.ts';
import type { Lifecycle } from '../../protocol/daemon/lifecycle.ts';
import type { Environment } from '../../protocol/daemon/settings.ts';
import { CcliError } from '../../protocol/errors.ts';
import { startDaemon } from './child-daemon.ts';
import { startDemoModel } from './demo-model.ts';
import { CREDENTIAL_VARIABLES, natsSettings, valueOf, without } from './environment.ts';
import type { FleetOptions } from './fleet-options.ts';
import { httpEnvironment } from './http-door.ts';
import { lastLines } from './log-tail.ts';
import { type NatsProcess, startNatsProcess } from './nats-process.ts';
import { findNatsServer, type NatsServer } from './nats-server.ts';
import { formatVersion } from './nats-version.ts';
import { hasKey, hostNode, KEY_VARIABLES, nodeOfFile, writeNodeAgentFile } from './node-agent-file.ts';
import { ollamaEndpoints, rememberedEndpoints } from './ollama-endpoints.ts';
import type { PartWatch } from './part-watch.ts';
import type { Programs } from './programs.ts';
import type { StateDirectory } from './state-directory.ts';

/** What every part of one fleet is started on. */
export interface Grounds {
  readonly options: FleetOptions & { readonly signal: AbortSignal };
  readonly prefix: string;
  readonly programs: Programs;
  readonly state: StateDirectory;
  readonly lifecycle: Lifecycle;
  readonly parts: PartWatch;
  /** Whether the fleet has got as far as taking tasks. */
  readonly progress: { ready: boolean };
}

export interface Nats {
  readonly url: string;
  readonly settings: NatsSettings;
  readonly warning?: string | undefined;
  /** For the daemons. */
  readonly environment: Environment;
}

/** A node-agent lets running tasks finish for 30 seconds, and then hands over results. */
const GRACE_MS = { coordinator: 15_000, 'node-agent': 45_000 };
/** There is nothing to drain in a fleet that never took a task. */
const FAILED_START_GRACE_MS = 5_000;

const logFile = (state: StateDirectory, name: string): string => join(state.path, 'logs', `${name}.log`);

/** The server that was named, or one of our own. */
export async function joinNats(grounds: Grounds): Promise<Nats> {
  const { options } = grounds;
  const { environment, nats_url } = options;
  if (nats_url !== undefined)
    return { url: nats_url, settings: natsSettings(nats_url, environment), environment };

  const server = await findNatsServer(options);
  options.onStage(`starting nats-server ${formatVersion(server.version)}`);
  const nats = await embedNats(grounds, server);
  return {
    url: nats.url,
    settings: { url: nats.url },
    warning: server.warning,
    // Credentials for some other server have no place here. That every write is synced is in the configuration we wrote.
    environment: { ...without(environment, CREDENTIAL_VARIABLES), CCLI_NATS_SYNC_ALWAYS: 'true' },
  };
}

/** What a server of our own is started on. */
export type NatsGrounds = Pick<Grounds, 'state' | 'lifecycle' | 'parts'> & {
  readonly options: Pick<FleetOptions, 'environment' | 'port' | 'signal'>;
};

export async function embedNats(
  { options, state, lifecycle, parts }: NatsGrounds,
  server: NatsServer,
): Promise<NatsProcess> {
  const log_file = logFile(state, 'nats-server');
  const nats = await startNatsProcess({
    server,
    environment: options.environment,
    directory: join(state.path, 'nats'),
    log_file,
    server_name: `ccli-${hostNode()}`,
    port: options.port ?? 'preferred',
    signal: options.signal,
  });
  lifecycle.defer('nats-server', nats.stop);
  if (nats.pid !== undefined) await state.addChild(nats.pid);
  parts.watch(
    'nats-server',
    nats.exited.then(
      async ({ code }) =>
        new CcliError(
          'nats_unreachable',
          `nats-server ended (code ${code ?? 'none'}). Its last words, from ${log_file}:\n${await lastLines(log_file)}`,
        ),
    ),
  );
  return nats;
}

interface NodeDescription {
  readonly node: string;
  /** Of the node-agent's configuration. */
  readonly file: string;
  readonly demo: boolean;
}

/** The operator's file as it stands, or one of ours, with the demo model when there is no key. */
export async function describeNode({
  options,
  state,
  lifecycle,
}: Pick<Grounds, 'state' | 'lifecycle'> & {
  readonly options: Pick<FleetOptions, 'environment' | 'config_file' | 'ollama' | 'onStage'>;
}): Promise<NodeDescription> {
  const { environment, config_file, ollama = [], onStage } = options;
  const named = valueOf(environment, 'CCLI_NODE');
  if (config_file !== undefined) {
    if (ollama.length > 0) {
      throw new CcliError(
        'config_invalid',
        'With a configuration of its own, the node-agent permits Ollama servers by permit.ollama.endpoints in that file; leave --ollama out.',
      );
    }
    const file = resolve(config_file);
    return { node: named ?? (await nodeOfFile(file)) ?? hostNode(), file, demo: false };
  }
  const node = named ?? hostNode();
  const file = join(state.path, 'node-agent.yaml');
  const ollama_endpoints = ollamaEndpoints(environment, await rememberedEndpoints(state.path, ollama));
  const demo = !hasKey(environment);
  if (!demo) {
    await writeNodeAgentFile(file, { node, demo_url: undefined, ollama_endpoints });
    return { node, file, demo };
  }
  onStage('starting the demo model');
  const model = await startDemoModel();
  lifecycle.defer('the demo model', model.stop);
  await writeNodeAgentFile(file, { node, demo_url: model.url, ollama_endpoints });
  return { node, file, demo };
}

/** The coordinator never needs the key of a model. Whoever starts the whole fleet has said which agents are to work. */
export async function launchCoordinator(grounds: Grounds, nats: Nats): Promise<void> {
  const CCLI_DISCOVERED = valueOf(nats.environment, 'CCLI_DISCOVERED') ?? 'allow';
  const environment = {
    ...without(nats.environment, KEY_VARIABLES),
    CCLI_DISCOVERED,
    ...httpEnvironment(nats.environment, grounds.options.http),
  };
  await launch(grounds, 'coordinator', {
    program: grounds.programs.coordinator,
    args: [],
    environment: daemonEnvironment(grounds, nats.url, environment, 'coordinator'),
  });
}

export async function launchNodeAgent(grounds: Grounds, nats: Nats, file: string): Promise<void> {
  await launch(grounds, 'node-agent', {
    program: grounds.programs.node_agent,
    args: ['--config', file],
    environment: daemonEnvironment(grounds, nats.url, nats.environment, 'node-agent'),
  });
}

const daemonEnvironment = (
  { options, prefix, state }: Grounds,
  nats_url: string,
  environment: Environment,
  name: string,
): Environment => ({
  ...environment,
  CCLI_NATS_URL: nats_url,
  CCLI_PREFIX: prefix,
  CCLI_STATE_DIR: join(state.path, name),
  ...(options.log_level !== undefined && { CCLI_LOG_LEVEL: options.log_level }),
});

async function launch(
  { state, lifecycle, parts, progress }: Grounds,
  name: keyof typeof GRACE_MS,
  what: { program: string; args: readonly string[]; environment: Environment },
): Promise<void> {
  const daemon = await startDaemon({ name, log_file: logFile(state, name), ...what });
  lifecycle.defer(`the ${name}`, () => daemon.stop(progress.ready ? GRACE_MS[name] : FAILED_START_GRACE_MS));
  if (daemon.pid !== undefined) await state.addChild(daemon.pid);
  parts.watch(`the ${name}`, daemon.ended);
}
