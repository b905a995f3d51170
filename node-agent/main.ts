#!/usr/bin/env node
/** The node-agent daemon: everything is made here, started in order, and closed in reverse. */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { jetstream } from '@nats-io/jetstream';
import type { Advert, HostStatus } from '../protocol/advert.ts';
import { encode, WIRE_VERSION } from '../protocol/codec.ts';
import type { DrainReply } from '../protocol/control.ts';
import { closeConnection, connect, redactUrl, watchConnection } from '../protocol/daemon/connect.ts';
import { type Daemon, isProgram, runDaemon } from '../protocol/daemon/entry.ts';
import { type Lifecycle, startWithin } from '../protocol/daemon/lifecycle.ts';
import { createLog, type Log } from '../protocol/daemon/log.ts';
import { startService } from '../protocol/daemon/service.ts';
import { VERSION } from '../protocol/daemon/version.ts';
import { withinLimit } from '../protocol/daemon/within-limit.ts';
import { CcliError } from '../protocol/errors.ts';
import { ChunkSchema } from '../protocol/output.ts';
import { NODE_SERVICE, names as namesOf } from '../protocol/subjects.ts';
import { type Agent, createAgent } from './agent.ts';
import { ask } from './ask.ts';
import { createAttempts } from './attempts.ts';
import { createBeacon } from './beacon.ts';
import { nodeEndpoints } from './bus.ts';
import { loadNodeConfig, type NodeConfig } from './config.ts';
import { createCooldownFile, type RestoredCooldown } from './cooldown-file.ts';
import { createDrain } from './drain.ts';
import { createDriver } from './drivers/create.ts';
import { readHost } from './host.ts';
import { createJournal } from './journal.ts';
import { clearLeftovers } from './process/leftovers.ts';
import { createReporter } from './reporter.ts';
import { lockState } from './state-directory.ts';

const PROBE_INTERVAL_MS = 60_000;
const UNAVAILABLE_PROBE_INTERVAL_MS = 10_000;
const HOST_INTERVAL_MS = 5_000;
/** How long a stopping daemon tries to hand its last results to the stream; what is left stays on disk. */
const FLUSH_TIMEOUT_MS = 5_000;
/** How long a stopping daemon waits for the server to confirm that it takes no more requests. */
const SERVICE_TIMEOUT_MS = 1_000;
/** A driver ends processes, which takes a while and must not be cut short. */
const DRIVER_LIMIT_MS = 15_000;
/** Room that must be left on the disk besides one whole result. */
const RESERVE_BYTES = 64 * 1024 * 1024;

export interface NodeAgent extends Daemon {
  readonly instance_id: string;
}

export const startNodeAgent = (config: NodeConfig, log: Log): Promise<NodeAgent> =>
  startWithin(log, lifecycle => compose(config, log, lifecycle));

async function compose(config: NodeConfig, log: Log, lifecycle: Lifecycle): Promise<NodeAgent> {
  const instance_id = randomUUID();
  const names = namesOf(config.prefix);
  const { signal } = lifecycle;
  const began = performance.now();

  const lock = await lockState(config.state_dir);
  lifecycle.defer('state directory', lock.release);
  const journal = createJournal(join(config.state_dir, 'journal'));
  const recovered = await journal.recover();
  // Before anything is reported as cut off: what another node takes up must not run here any more.
  await clearLeftovers(config, log);
  const drain = await createDrain(config.state_dir);
  if (drain.draining) log.warn('drained', { node: config.node });
  const cooldowns = await loadCooldowns(config);

  let host: HostStatus = await readHost(config.environment['PATH']);
  let room = await journal.room();
  lifecycle.every(HOST_INTERVAL_MS, async () => {
    host = await readHost(config.environment['PATH']);
    room = await journal.room();
  });

  log.info('connecting', { url: redactUrl(config.nats.url), node: config.node });
  const connection = await connect(config.nats, {
    name: `ccli-node-agent ${config.node}`,
    patience: 'daemon',
    log,
  });
  lifecycle.defer('connection', () => closeConnection(connection));
  lifecycle.handOver(
    watchConnection(connection, log, {
      reconnect: () => {
        beacon.send();
      },
    }),
  );
  log.info('connected', { server: redactUrl(connection.getServer()) });

  let leaving = false;
  let config_revision = 0;
  let seq = 0;
  const agents = new Map<string, Agent>();
  for (const agentConfig of config.agents) {
    const driver = createDriver({ agent: agentConfig, config, log: log.child({ agent_id: agentConfig.id }) });
    lifecycle.defer(`driver of ${agentConfig.id}`, () => driver.close(), DRIVER_LIMIT_MS);
    agents.set(
      agentConfig.id,
      createAgent({
        config: agentConfig,
        driver,
        log,
        signal,
        cooldowns: createCooldownFile(config.state_dir, agentConfig.id),
        restored: cooldowns.get(agentConfig.id),
        onChange: () => {
          beacon.changed();
        },
      }),
    );
  }

  const attempts = createAttempts({
    node: config.node,
    instance_id,
    agents,
    journal,
    reporter: createReporter({
      jetstream: jetstream(connection),
      subject: names.report(config.node),
      node: config.node,
      instance_id,
      log,
    }),
    publishChunk: (id, n, text) => {
      const bytes = encode(ChunkSchema, { v: WIRE_VERSION, ...id, n, text });
      connection.publish(names.output(config.node, id.task_id, id.attempt), bytes);
    },
    facts: () => ({ draining: drain.draining, has_room: hasRoom() }),
    max_output_bytes: config.max_output,
    handOver: lifecycle.handOver,
    signal,
    log,
    onChange: () => {
      beacon.changed();
    },
  });

  const hasRoom = (): boolean => room > RESERVE_BYTES + config.max_output;
  const advert = (): Advert => ({
    v: WIRE_VERSION,
    node: config.node,
    instance_id,
    seq: (seq += 1),
    version: VERSION,
    node_js: process.version,
    interval_ms: config.advert_interval,
    uptime_ms: Math.round(performance.now() - began),
    draining: drain.draining,
    leaving,
    full: !hasRoom() || attempts.unstored > 0,
    outbox: attempts.pending,
    config_revision,
    host,
    agents: [...agents.values()].map(agent => agent.status()),
    running: attempts.live(),
  });
  const beacon = createBeacon({
    interval_ms: config.advert_interval,
    build: advert,
    publish: bytes => {
      if (!connection.isClosed()) connection.publish(names.advert(config.node), bytes);
    },
    lifecycle,
    log,
  });

  const drainReply = async (wanted: boolean): Promise<DrainReply> => {
    log.info(wanted ? 'draining' : 'resumed');
    try {
      await drain.set(wanted);
    } finally {
      beacon.changed();
    }
    return { draining: drain.draining, running: attempts.live().length, outbox: attempts.pending };
  };

  await attempts.resume(recovered);
  const service = await startService({
    connection,
    name: NODE_SERVICE,
    version: VERSION,
    description: `Runs AI tools on ${config.node}`,
    metadata: { node: config.node, instance_id },
    log,
    endpoints: nodeEndpoints({
      names,
      node: config.node,
      attempts,
      status: advert,
      drain: drainReply,
      probe: async agent_id => {
        const agent = agents.get(agent_id);
        if (agent === undefined)
          throw new CcliError('agent_unknown', `This node has no agent "${agent_id}".`);
        await agent.probe(signal);
        return agent.status();
      },
      configure: request => {
        if (request.revision > config_revision) {
          config_revision = request.revision;
          for (const [agent_id, agent] of agents) agent.configure(request.agents[agent_id]);
        }
        return config_revision;
      },
      ask: prompt => ask(prompt, { agents: [...agents.values()], draining: drain.draining, signal }),
    }),
  });

  beacon.send();
  for (const agent of agents.values()) lifecycle.handOver(keepProbing(agent, lifecycle));

  const shutDown = async (): Promise<void> => {
    drain.stop();
    log.info('draining');
    beacon.changed();
    const ended = await withinLimit(attempts.idle(), config.drain_timeout);
    if (!ended) {
      log.warn('handing_back', { running: attempts.live().length });
      await attempts.handBack();
    }
    await withinLimit(attempts.flushed(), FLUSH_TIMEOUT_MS);
    if (attempts.unstored > 0) log.error('results_lost', { results: attempts.unstored });
    if (attempts.pending > 0) log.warn('results_left_on_disk', { results: attempts.pending });
    if (!(await withinLimit(service.stop(), SERVICE_TIMEOUT_MS)))
      log.warn('closer_late', { what: 'service' });
    leaving = true;
    beacon.send();
    await lifecycle.stop();
    log.info('stopped');
  };
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
      stopping ??= shutDown();
      return stopping;
    },
  };
}

async function loadCooldowns({ state_dir, agents }: NodeConfig): Promise<Map<string, RestoredCooldown>> {
  const found = new Map<string, RestoredCooldown>();
  for (const { id } of agents) {
    const cooldown = await createCooldownFile(state_dir, id).load();
    if (cooldown !== undefined) found.set(id, cooldown);
  }
  return found;
}

/** The first look at once; then every so often, more often while something is wrong. */
async function keepProbing(agent: Agent, lifecycle: Lifecycle): Promise<void> {
  const { signal } = lifecycle;
  await agent.probe(signal);
  let last = performance.now();
  lifecycle.every(UNAVAILABLE_PROBE_INTERVAL_MS, async () => {
    const well = agent.status().health === 'ready';
    if (well && performance.now() - last < PROBE_INTERVAL_MS) return;
    await agent.probe(signal);
    last = performance.now();
  });
}

if (isProgram(import.meta.url)) {
  await runDaemon(async config_file => {
    const config = loadNodeConfig(config_file);
    return await startNodeAgent(config, createLog({ level: config.log_level, name: 'node-agent' }));
  });
}
