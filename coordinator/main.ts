#!/usr/bin/env node
/** The coordinator daemon: everything is made here, started in order, and closed in reverse. */
import { randomUUID } from 'node:crypto';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { closeConnection, connect, redactUrl, watchConnection } from '../protocol/daemon/connect.ts';
import { type Daemon, isProgram, runDaemon } from '../protocol/daemon/entry.ts';
import { type Lifecycle, startWithin } from '../protocol/daemon/lifecycle.ts';
import { createLog, errorFields, type Log } from '../protocol/daemon/log.ts';
import { startService } from '../protocol/daemon/service.ts';
import { VERSION } from '../protocol/daemon/version.ts';
import { CcliError } from '../protocol/errors.ts';
import { COORDINATOR_SERVICE, names as namesOf } from '../protocol/subjects.ts';
import { createAttemptCare } from './attempt.ts';
import { operationEndpoints } from './bus.ts';
import { type CoordinatorConfig, loadCoordinatorConfig } from './config.ts';
import { createDispatcher } from './dispatcher.ts';
import { durabilityOf } from './durability.ts';
import { createEvents } from './events.ts';
import { createFleet } from './fleet.ts';
import { takeEpoch } from './lease.ts';
import { createMirror, type Mirror } from './mirror.ts';
import { createNodes } from './nodes.ts';
import { createOperations } from './operations.ts';
import { ensureStreams, provision, storeProblem } from './provision.ts';
import { createReports } from './reports.ts';
import { rollCall } from './roll-call.ts';
import { createSteps } from './steps.ts';
import { createTaskStore, type TaskStore } from './store.ts';

export interface Coordinator extends Daemon {
  readonly coordinator_id: string;
  readonly epoch: number;
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
  const stores = await provision(js, manager, names, config.store);
  const epoch = await takeEpoch(stores.control, coordinator_id);
  const store = createTaskStore(stores);

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
  const care = createAttemptCare({
    store,
    nodes: createNodes({ connection, names, epoch, accept_timeout_ms: config.accept_timeout }),
    steps,
    epoch,
    random: Math.random,
    onSuperseded: () => {
      dispatcher.retire();
    },
    log,
  });
  const dispatcher = createDispatcher({
    mirror,
    fleet,
    steps,
    care,
    epoch,
    clock,
    lost_after_ms: config.lost_after,
    lifecycle,
    log,
  });
  const reports = createReports({
    prefix: config.prefix,
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

  const { following } = await loadMirror(store, mirror, lifecycle, log);
  lifecycle.handOver(
    watchConnection(connection, log, {
      disconnect: fleet.deafen,
      reconnect: () => {
        fleet.listen();
        lifecycle.handOver(ensureStreams(manager, names, config.store));
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
  await reports.start(await js.consumers.get(names.reportsStream, names.reportsConsumer));
  lifecycle.defer('reports', () => reports.stop());

  const operations = createOperations({
    store,
    mirror,
    fleet,
    activate,
    about: () => ({
      version: VERSION,
      coordinator_id,
      epoch,
      uptime_ms: Math.round(clock() - began),
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
  log.info('ready', { epoch, coordinator_id, server_version });
  return {
    coordinator_id,
    epoch,
    failed: Promise.race([
      connection
        .closed()
        .then(
          cause =>
            new CcliError('nats_unreachable', 'The connection to NATS was closed for good.', { cause }),
        ),
      following,
    ]),
    stop: () => lifecycle.stop(),
  };
}

/**
 * Resolves once everything stored has been seen, and goes on with what changes. `following` settles with what ends
 * that, should it end by itself: a coordinator without it would go blind in silence.
 */
async function loadMirror(
  store: TaskStore,
  mirror: Mirror,
  lifecycle: Lifecycle,
  log: Log,
): Promise<{ following: Promise<CcliError> }> {
  let loaded = (): void => undefined;
  const caughtUp = new Promise<undefined>(resolve => {
    loaded = () => {
      resolve(undefined);
    };
  });
  if (await store.isEmpty()) loaded();
  const follow = async (): Promise<CcliError> => {
    try {
      for await (const { change, key, failure, caught_up } of store.watch(lifecycle.signal)) {
        if (change !== undefined) mirror.apply(change);
        if (failure !== undefined) log.error('record_unreadable', { key, ...errorFields(failure) });
        if (caught_up) loaded();
      }
      return new CcliError('store_unavailable', 'The task store no longer tells of changes.');
    } catch (cause) {
      return new CcliError('store_unavailable', 'The task store cannot be followed.', { cause });
    }
  };
  const following = follow();
  const failure = await Promise.race([caughtUp, following]);
  if (failure !== undefined) throw failure;
  return { following };
}

if (isProgram(import.meta.url)) {
  await runDaemon(async config_file => {
    const config = loadCoordinatorConfig(config_file);
    return await startCoordinator(config, createLog({ level: config.log_level, name: 'coordinator' }));
  });
}
