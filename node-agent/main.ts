#!/usr/bin/env node
/** The node-agent daemon: everything is made here, started in order, and closed in reverse. */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { jetstream } from '@nats-io/jetstream';
import type { Advert } from '../protocol/advert.ts';
import { encode, WIRE_VERSION } from '../protocol/codec.ts';
import type { DrainReply } from '../protocol/control.ts';
import { closeConnection, connect, redactUrl, watchConnection } from '../protocol/daemon/connect.ts';
import { type Daemon, isProgram, runDaemon } from '../protocol/daemon/entry.ts';
import { type Lifecycle, startWithin } from '../protocol/daemon/lifecycle.ts';
import { createLog, type Log } from '../protocol/daemon/log.ts';
import { startService } from '../protocol/daemon/service.ts';
import { VERSION } from '../protocol/daemon/version.ts';
import { CcliError } from '../protocol/errors.ts';
import { ChunkSchema } from '../protocol/output.ts';
import { NODE_SERVICE, names as namesOf } from '../protocol/subjects.ts';
import { ask } from './ask.ts';
import { createAttempts } from './attempts.ts';
import { createBeacon } from './beacon.ts';
import { nodeEndpoints } from './bus.ts';
import { loadNodeConfig, type NodeConfig } from './config.ts';
import { createConfiguration } from './configuration.ts';
import { fitAdvert } from './core/fit-advert.ts';
import { createDesiredFile } from './desired-file.ts';
import { createDrain } from './drain.ts';
import { createJournal } from './journal.ts';
import { probe } from './probing.ts';
import { clearLeftovers } from './process/leftovers.ts';
import { createReporter } from './reporter.ts';
import { createRoster } from './roster.ts';
import { lockState } from './state-directory.ts';
import { shutDown } from './stopping.ts';
import { watchSurroundings } from './surroundings.ts';
import { createVerifier } from './verify/verify.ts';

/** Drivers end processes, which takes a while and must not be cut short. */
const DRIVERS_LIMIT_MS = 15_000;

export interface NodeAgent extends Daemon {
  readonly instance_id: string;
}

export const startNodeAgent = (config: NodeConfig, log: Log): Promise<NodeAgent> =>
  startWithin(log, lifecycle => compose(config, log, lifecycle));

async function compose(config: NodeConfig, log: Log, lifecycle: Lifecycle): Promise<NodeAgent> {
  const instance_id = randomUUID();
  const { node } = config;
  const names = namesOf(config.prefix);
  const { signal, handOver } = lifecycle;
  const began = performance.now();
  const onChange = (): void => {
    beacon.changed();
  };

  const lock = await lockState(config.state_dir);
  lifecycle.defer('state directory', lock.release);
  const journal = createJournal(join(config.state_dir, 'journal'));
  const recovered = await journal.recover();
  // Before anything is reported as cut off: what another node takes up must not run here any more.
  await clearLeftovers(config, log);
  const drain = await createDrain(config.state_dir);
  if (drain.draining) log.warn('drained', { node });
  const surroundings = await watchSurroundings({
    path: config.environment['PATH'],
    journal,
    max_output_bytes: config.max_output,
    lifecycle,
  });

  log.info('connecting', { url: redactUrl(config.nats.url), node });
  const connection = await connect(config.nats, {
    name: `ccli-node-agent ${node}`,
    patience: 'daemon',
    log,
  });
  lifecycle.defer('connection', () => closeConnection(connection));
  log.info('connected', { server: redactUrl(connection.getServer()) });

  let leaving = false;
  let seq = 0;
  const advert = (): Advert => ({
    v: WIRE_VERSION,
    node,
    instance_id,
    seq: (seq += 1),
    version: VERSION,
    node_js: process.version,
    interval_ms: config.advert_interval,
    uptime_ms: Math.round(performance.now() - began),
    draining: drain.draining,
    leaving,
    full: !surroundings.hasRoom || attempts.unstored > 0,
    outbox: attempts.pending,
    config_revision: configuration.revision,
    ollama_endpoints: config.permit.ollama.endpoints,
    host: surroundings.host,
    agents: [...roster.agents.values()].map(agent => agent.status()),
    running: attempts.live(),
  });
  const beacon = createBeacon({
    interval_ms: config.advert_interval,
    build: advert,
    publish: bytes => {
      if (!connection.isClosed()) connection.publish(names.advert(node), bytes);
    },
    lifecycle,
    log,
  });
  const reconnect = (): void => {
    beacon.send();
  };
  handOver(watchConnection(connection, log, { reconnect }));

  const roster = createRoster({
    config,
    gpuMemory: agent => surroundings.gpuMemory(agent),
    handOver,
    signal,
    log,
    onChange,
  });
  lifecycle.defer('drivers', () => roster.close(), DRIVERS_LIMIT_MS);
  for (const agent of config.agents) await roster.add(agent);
  const configuration = createConfiguration({
    config,
    roster,
    file: createDesiredFile(config.state_dir),
    log,
    onChange,
  });
  await configuration.restore();

  const attempts = createAttempts({
    node,
    instance_id,
    agents: roster.agents,
    journal,
    reporter: createReporter({
      jetstream: jetstream(connection),
      subject: names.report(node),
      node,
      instance_id,
      log,
    }),
    publishChunk: (id, n, text) => {
      const bytes = encode(ChunkSchema, { v: WIRE_VERSION, ...id, n, text });
      connection.publish(names.output(node, id.task_id, id.attempt), bytes);
    },
    facts: () => ({ draining: drain.draining, has_room: surroundings.hasRoom }),
    max_output_bytes: config.max_output,
    handOver,
    signal,
    log,
    onChange,
  });

  const drainReply = async (wanted: boolean): Promise<DrainReply> => {
    log.info(wanted ? 'draining' : 'resumed');
    try {
      await drain.set(wanted);
    } finally {
      onChange();
    }
    return { draining: drain.draining, running: attempts.live().length, outbox: attempts.pending };
  };
  const look = {
    roster,
    permission: configuration.permission,
    draining: () => drain.draining,
    signal,
  };
  const verifier = createVerifier(look);

  await attempts.resume(recovered);
  const service = await startService({
    connection,
    name: NODE_SERVICE,
    version: VERSION,
    description: `Runs AI tools on ${node}`,
    metadata: { node, instance_id },
    log,
    endpoints: nodeEndpoints({
      names,
      node,
      attempts,
      status: () => fitAdvert(advert()),
      drain: drainReply,
      probe: request => probe(request, look),
      verify: request => verifier.verify(request),
      async configure(request) {
        await attempts.obey(request);
        return await configuration.apply(request);
      },
      ask: prompt => ask(prompt, { agents: [...roster.agents.values()], draining: drain.draining, signal }),
    }),
  });
  beacon.start();
  roster.start();

  const stop = (): Promise<void> =>
    shutDown({
      drain,
      drain_timeout_ms: config.drain_timeout,
      attempts,
      beacon,
      service,
      leave: () => {
        leaving = true;
      },
      lifecycle,
      log,
    });
  let stopping: Promise<void> | undefined;
  const failed = connection
    .closed()
    .then(
      cause => new CcliError('nats_unreachable', 'The connection to NATS was closed for good.', { cause }),
    );
  return {
    instance_id,
    failed,
    stop() {
      stopping ??= stop();
      return stopping;
    },
  };
}

if (isProgram(import.meta.url)) {
  await runDaemon(async config_file => {
    const config = loadNodeConfig(config_file);
    return await startNodeAgent(config, createLog({ level: config.log_level, name: 'node-agent' }));
  });
}
