#!/usr/bin/env node
/** The coordinator daemon: everything is made here, started in order, and closed in reverse. */
import { randomUUID } from 'node:crypto';
import { closeConnection, connect, redactUrl, watchConnection } from '../protocol/daemon/connect.ts';
import { type Daemon, isProgram, runDaemon } from '../protocol/daemon/entry.ts';
import { type Lifecycle, startWithin } from '../protocol/daemon/lifecycle.ts';
import { createLog, type Log } from '../protocol/daemon/log.ts';
import { VERSION } from '../protocol/daemon/version.ts';
import { CcliError } from '../protocol/errors.ts';
import { names as namesOf } from '../protocol/subjects.ts';
import { createAttemptCare } from './attempt.ts';
import { serveOperations } from './bus.ts';
import { type CoordinatorConfig, loadCoordinatorConfig } from './config.ts';
import { createConfigurer } from './configure.ts';
import { createConversations } from './conversation.ts';
import { createDispatcher } from './dispatcher.ts';
import { durabilityOf } from './durability.ts';
import { createEvents } from './events.ts';
import { createFleet } from './fleet.ts';
import { hearNodes } from './hear-nodes.ts';
import type { HttpDoor } from './http/serve.ts';
import { createLeadership } from './leadership.ts';
import { createLeaseStore, leaderSeen, ownProcess } from './lease.ts';
import type { OpenLine } from './lines/keeper.ts';
import { createMirror } from './mirror.ts';
import { createNodes } from './nodes.ts';
import { openHttp } from './open-http.ts';
import { openLines } from './open-lines.ts';
import { openStores } from './open-stores.ts';
import { createOperations } from './operations.ts';
import { createPlacements } from './placements.ts';
import { createPlanner } from './planner.ts';
import { resetReportsConsumer, waitingReports } from './provision.ts';
import { createRegistry } from './registry.ts';
import { createReports } from './reports.ts';
import { createServerClock } from './server-clock.ts';
import { createSteps } from './steps.ts';
import { createTaskStore } from './store.ts';
import { startUpkeep } from './upkeep.ts';

export interface Coordinator extends Daemon {
  readonly coordinator_id: string;
  /** Where its HTTP door is reached; undefined when that is off. */
  readonly http_url: string | undefined;
  /** Whether it plans at this moment. */
  readonly leads: () => boolean;
}

interface Surroundings {
  /** In place of SSH. */
  readonly openLine?: OpenLine;
}

export const startCoordinator = (
  config: CoordinatorConfig,
  log: Log,
  surroundings: Surroundings = {},
): Promise<Coordinator> => startWithin(log, lifecycle => compose(config, log, lifecycle, surroundings));

async function compose(
  config: CoordinatorConfig,
  log: Log,
  lifecycle: Lifecycle,
  surroundings: Surroundings,
): Promise<Coordinator> {
  const coordinator_id = randomUUID();
  const names = namesOf(config.prefix);
  const clock = (): number => performance.now();
  const began = clock();

  log.info('connecting', { url: redactUrl(config.nats.url) });
  const connection = await connect(config.nats, { name: 'ccli-coordinator', patience: 'daemon', log });
  lifecycle.defer('connection', () => closeConnection(connection));
  const server_version = connection.info?.version ?? 'unknown';
  const durability = durabilityOf(server_version, config.nats.sync_always);
  if (durability.warning !== undefined) log.warn('weak_durability', { warning: durability.warning });

  const { signal } = lifecycle;
  const open = await openStores({ connection, names, config, signal, log });
  const { js, manager, stores, lease } = open;
  const server_clock = createServerClock(clock);
  const store = createTaskStore(stores, server_clock.age);

  const events = createEvents({ connection, names, now: Date.now });
  let linked = true;
  const activate = (): void => {
    dispatcher.activate();
    configurer.activate();
  };
  const registry = createRegistry({
    bucket: stores.agents,
    manager,
    stream: stores.streams.agents,
    onChange: activate,
    log,
  });
  const mirror = createMirror({ clock, onChange: activate });
  const fleet = createFleet({
    prefix: config.prefix,
    clock,
    settle_ms: config.settle,
    onChange: activate,
    onNode: events.node,
    overlay: () => ({
      desired: registry.desired,
      discovered: config.discovered,
      refused: configurer.refused,
      ssh_fallback: lines.defaults,
    }),
    log,
  });
  const planner = createPlanner({ mirror, fleet, fallback: config.fallback, clock });
  const steps = createSteps({
    store,
    mirror,
    now: Date.now,
    log,
    onStep: (_entry, state) => {
      events.task(state);
    },
  });
  const leadership = createLeadership({
    store: createLeaseStore(lease),
    coordinator_id,
    process: await ownProcess(),
    lease_ms: config.lease,
    clock,
    onRegain: fleet.listen,
    onLead: () => {
      fleet.listen();
      reports.start();
      dispatcher.begin();
      configurer.begin();
    },
    onFollow: () => {
      lifecycle.handOver(reports.stop());
      lines.keeper?.activate();
    },
    lifecycle,
    log,
  });
  const lines = await openLines({
    settings: config.ssh,
    ...surroundings,
    connection,
    jetstream: js,
    names,
    coordinator_id,
    fleet,
    registry,
    leads: leadership.holds,
    linked: () => linked,
    clock,
    random: Math.random,
    lifecycle,
    log,
  });
  const nodes = createNodes({
    connection,
    names,
    mandate: () => leadership.mandate,
    accept_timeout_ms: config.accept_timeout,
    wayTo: lines.wayTo,
  });
  const configurer = createConfigurer({
    registry,
    nodes,
    sights: fleet.nodes,
    leadership,
    clock,
    onChange: () => {
      dispatcher.activate();
    },
    lifecycle,
    log,
  });
  const care = createAttemptCare({
    store,
    conversations: createConversations(store, log),
    earlier: entry => mirror.session(entry),
    maxPromptBytes: (node, agent_id) =>
      fleet.node(node)?.advert.agents.find(agent => agent.agent_id === agent_id)?.max_prompt_bytes,
    elsewhere: entry => planner.elsewhere(entry),
    nodes,
    steps,
    random: Math.random,
    clock,
    onSuperseded: leadership.superseded,
    log,
  });
  const dispatcher = createDispatcher({
    mirror,
    planner,
    fleet,
    steps,
    care,
    leadership,
    current: () => upkeep.current(),
    clock,
    lost_after_ms: config.lost_after,
    onPlaced: placed => {
      events.placement(placed.task_id, placed.attempt, placed);
    },
    reportsFolded: async node => (await waitingReports(manager, names, node)) === 0,
    lifecycle,
    log,
  });
  const reports = createReports({
    prefix: config.prefix,
    open: async () => {
      await resetReportsConsumer(manager, names);
      return await js.consumers.get(names.reportsStream, names.reportsConsumer);
    },
    store,
    mirror,
    steps,
    random: Math.random,
    elsewhere: entry => planner.elsewhere(entry),
    onOvertaken: (entry, winner) => {
      dispatcher.overtaken(entry, winner);
    },
    handOver: lifecycle.handOver,
    log,
  });

  const upkeep = await startUpkeep({
    ...open,
    connection,
    names,
    config,
    store,
    mirror,
    registry,
    server_clock,
    clock,
    leading: leadership.holds,
    lifecycle,
    log,
  });
  const unready = (): string | undefined => {
    if (!linked) return 'The connection to NATS is down.';
    return leadership.seen === undefined ? 'No coordinator leads this fleet yet.' : undefined;
  };
  lifecycle.handOver(
    watchConnection(connection, log, {
      disconnect: () => {
        linked = false;
        fleet.deafen();
      },
      reconnect: () => {
        linked = true;
        fleet.listen();
        upkeep.lineIsBack();
      },
    }),
  );
  await hearNodes({ connection, names, fleet, coordinator_id, lifecycle, log });
  await leadership.start();
  lifecycle.defer('reports', () => reports.stop());

  let http: HttpDoor | undefined;
  const operations = createOperations({
    store,
    mirror,
    fleet,
    nodes,
    usage: upkeep.usage,
    registry,
    activate,
    onAgentChange: ({ node, agent_id }, change) => {
      events.agent(node, agent_id, change);
    },
    planner,
    placements: createPlacements({ manager, names, log }),
    about: () => ({
      version: VERSION,
      coordinator_id,
      role: leadership.holds() ? 'leader' : 'follower',
      ...leaderSeen(leadership.seen),
      uptime_ms: Math.round(clock() - began),
      store: upkeep.usage.read(),
      registration: registry.open ? 'open' : 'off',
      discovered: config.discovered,
      ...(http !== undefined && { http_url: http.url }),
      malformed: { adverts: fleet.malformed, reports: reports.counts.malformed },
      nats: { server_version, url: redactUrl(config.nats.url), ...durability },
    }),
  });
  if (config.http.enabled) {
    http = await openHttp({
      connection,
      names,
      operations,
      settings: config.http,
      unready,
      lines: lines.counts,
      lifecycle,
      log,
    });
  }
  await serveOperations({ connection, prefix: config.prefix, operations, coordinator_id, lifecycle, log });
  lifecycle.every(config.tick, () => {
    fleet.tick();
    activate();
  });
  log.info('ready', { coordinator_id, server_version, leads: leadership.holds() });
  return {
    coordinator_id,
    http_url: http?.url,
    leads: leadership.holds,
    failed: connection
      .closed()
      .then(
        cause => new CcliError('nats_unreachable', 'The connection to NATS was closed for good.', { cause }),
      ),
    stop: () => lifecycle.stop(),
  };
}

if (isProgram(import.meta.url)) {
  await runDaemon(async (config_file, service) => {
    const config = loadCoordinatorConfig(config_file);
    // It comes up without its server too: what hangs on it must not fail for that.
    service.ready(`waiting for NATS at ${redactUrl(config.nats.url)}`);
    const log = createLog({ level: config.log_level, name: 'coordinator' });
    const coordinator = await startCoordinator(config, log);
    service.status(`serving ${config.prefix} through NATS at ${redactUrl(config.nats.url)}`);
    return coordinator;
  });
}
