#!/usr/bin/env node
/** The coordinator daemon: everything is made here, started in order, and closed in reverse. */
import { randomUUID } from 'node:crypto';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import { closeConnection, connect, redactUrl, watchConnection } from '../protocol/daemon/connect.ts';
import { type Daemon, isProgram, runDaemon } from '../protocol/daemon/entry.ts';
import { type Lifecycle, startWithin } from '../protocol/daemon/lifecycle.ts';
import { createLog, errorFields, type Log } from '../protocol/daemon/log.ts';
import { startService } from '../protocol/daemon/service.ts';
import { VERSION } from '../protocol/daemon/version.ts';
import { CcliError } from '../protocol/errors.ts';
import type { FleetStatus } from '../protocol/operation.ts';
import { COORDINATOR_SERVICE, names as namesOf } from '../protocol/subjects.ts';
import { createAttemptCare } from './attempt.ts';
import { operationEndpoints } from './bus.ts';
import { type CoordinatorConfig, loadCoordinatorConfig } from './config.ts';
import { createDispatcher } from './dispatcher.ts';
import { durabilityOf } from './durability.ts';
import { createEvents } from './events.ts';
import { createFleet } from './fleet.ts';
import { createStoreFollower } from './follow-store.ts';
import { createHistory } from './history.ts';
import { insistOn } from './insist.ts';
import { createLeadership } from './leadership.ts';
import { createLeaseStore, type Lease, ownProcess } from './lease.ts';
import { createMirror } from './mirror.ts';
import { createNodes } from './nodes.ts';
import { createOperations } from './operations.ts';
import { ensureStreams, provision, resetReportsConsumer, storeProblem, waitingReports } from './provision.ts';
import { createReports } from './reports.ts';
import { rollCall } from './roll-call.ts';
import { createServerClock } from './server-clock.ts';
import { createSteps } from './steps.ts';
import { createTaskStore } from './store.ts';
import { createStoreUsage } from './store-usage.ts';

/** How often the store is compared with what is known of it, and its bounds are kept. */
const UPKEEP_INTERVAL_MS = 1_000;
const MIN_LEASE_TIMEOUT_MS = 300;

export interface Coordinator extends Daemon {
  readonly coordinator_id: string;
  /** Whether it plans at this moment. */
  readonly leads: () => boolean;
}

export const startCoordinator = (config: CoordinatorConfig, log: Log): Promise<Coordinator> =>
  startWithin(log, lifecycle => compose(config, log, lifecycle));

async function compose(config: CoordinatorConfig, log: Log, lifecycle: Lifecycle): Promise<Coordinator> {
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

  const js = jetstream(connection);
  const manager = await jetstreamManager(connection).catch((error: unknown) => {
    throw storeProblem(error);
  });
  const insist = <T>(work: () => Promise<T>): Promise<T> => insistOn(work, lifecycle.signal, log);
  const stores = await insist(() => provision(js, manager, names, config.store));
  const server_clock = createServerClock(clock);
  const store = createTaskStore(stores, server_clock.age);

  const events = createEvents({ connection, names, now: Date.now });
  const activate = (): void => {
    dispatcher.activate();
  };
  const mirror = createMirror({ clock, onChange: activate });
  const fleet = createFleet({
    prefix: config.prefix,
    clock,
    settle_ms: config.settle,
    onChange: activate,
    onNode: events.node,
    log,
  });
  const steps = createSteps({
    store,
    mirror,
    now: Date.now,
    log,
    onStep: (_entry, state) => {
      events.task(state);
    },
  });
  // A request that goes unanswered for longer is of no use: the lease would have run out.
  const swift = jetstream(connection, { timeout: Math.max(MIN_LEASE_TIMEOUT_MS, config.lease / 3) });
  const leadership = createLeadership({
    store: createLeaseStore(await insist(() => new Kvm(swift).open(names.controlBucket))),
    coordinator_id,
    process: await ownProcess(),
    lease_ms: config.lease,
    clock,
    onRegain: fleet.listen,
    onLead: () => {
      fleet.listen();
      reports.start();
      dispatcher.begin();
    },
    onFollow: () => {
      lifecycle.handOver(reports.stop());
    },
    lifecycle,
    log,
  });
  const nodes = createNodes({
    connection,
    names,
    mandate: () => leadership.mandate,
    accept_timeout_ms: config.accept_timeout,
  });
  const care = createAttemptCare({
    store,
    nodes,
    steps,
    random: Math.random,
    clock,
    onSuperseded: leadership.superseded,
    log,
  });
  const dispatcher = createDispatcher({
    mirror,
    fleet,
    steps,
    care,
    leadership,
    current: () => follower.current,
    clock,
    lost_after_ms: config.lost_after,
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
    onOvertaken: (entry, winner) => {
      dispatcher.overtaken(entry, winner);
    },
    handOver: lifecycle.handOver,
    log,
  });

  const follower = createStoreFollower({
    store,
    mirror,
    server_clock,
    clock,
    signal: lifecycle.signal,
    handOver: lifecycle.handOver,
    log,
  });
  await insist(() => follower.start());
  const usage = createStoreUsage({
    stores,
    unfinished: () => mirror.queued().length + mirror.active().length,
  });
  await insist(() => usage.refresh());
  const history = createHistory({
    stores,
    store,
    mirror,
    usage,
    limits: config.history,
    clock,
    age: server_clock.age,
    leading: leadership.holds,
    log,
  });
  /** Of the streams in memory, which a server that restarts forgets. */
  let volatile: 'there' | 'to be checked' = 'there';
  lifecycle.handOver(
    watchConnection(connection, log, {
      disconnect: fleet.deafen,
      reconnect: () => {
        fleet.listen();
        volatile = 'to be checked';
        lifecycle.handOver(follower.check());
      },
    }),
  );
  const adverts = connection.subscribe(names.allAdverts, {
    callback: (error, message) => {
      if (error === null) fleet.receive(message.subject, message.data);
      else log.warn('advert_subscription', errorFields(error));
    },
  });
  lifecycle.defer('adverts', () => {
    adverts.unsubscribe();
  });
  await rollCall({ connection, names, onStatus: fleet.receive, log });
  await leadership.start();
  lifecycle.defer('reports', () => reports.stop());

  const operations = createOperations({
    store,
    mirror,
    fleet,
    nodes,
    usage,
    activate,
    clock,
    about: () => ({
      version: VERSION,
      coordinator_id,
      role: leadership.holds() ? 'leader' : 'follower',
      ...leaderSeen(leadership.seen),
      uptime_ms: Math.round(clock() - began),
      store: usage.read(),
      malformed: { adverts: fleet.malformed, reports: reports.counts.malformed },
      nats: { server_version, url: redactUrl(config.nats.url), ...durability },
    }),
  });
  const service = await startService({
    connection,
    name: COORDINATOR_SERVICE,
    version: VERSION,
    description: 'Accepts tasks and gives them to agents',
    metadata: { coordinator_id },
    endpoints: operationEndpoints(config.prefix, operations, lifecycle.signal),
    log,
  });
  lifecycle.defer('service', async () => {
    await service.stop();
  });
  lifecycle.every(config.tick, () => {
    fleet.tick();
    dispatcher.activate();
  });
  lifecycle.every(UPKEEP_INTERVAL_MS, async () => {
    await follower.check();
    try {
      if (volatile === 'to be checked') await ensureStreams(manager, names, config.store);
      volatile = 'there';
      await usage.refresh();
    } catch (error) {
      log.debug('store_not_read', errorFields(error));
    }
  });
  // A turn may purge hundreds of tasks: what is looked at every second must not wait for it.
  lifecycle.every(UPKEEP_INTERVAL_MS, () => history.turn());
  log.info('ready', { coordinator_id, server_version, leads: leadership.holds() });
  return {
    coordinator_id,
    leads: leadership.holds,
    failed: connection
      .closed()
      .then(
        cause => new CcliError('nats_unreachable', 'The connection to NATS was closed for good.', { cause }),
      ),
    stop: () => lifecycle.stop(),
  };
}

const leaderSeen = (lease: Lease | undefined): Pick<FleetStatus, 'epoch' | 'fleet_id' | 'leader'> =>
  lease === undefined || lease.released === true
    ? { epoch: lease?.epoch ?? 0, fleet_id: lease?.fleet_id ?? 'none' }
    : { epoch: lease.epoch, fleet_id: lease.fleet_id, leader: lease.holder };

if (isProgram(import.meta.url)) {
  await runDaemon(async config_file => {
    const config = loadCoordinatorConfig(config_file);
    return await startCoordinator(config, createLog({ level: config.log_level, name: 'coordinator' }));
  });
}
