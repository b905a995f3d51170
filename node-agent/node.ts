/**
 * A node: everything is made here, started in order, and closed in reverse. Its daemon has a line and NATS; what stands
 * in for the daemon has the line alone. Neither needs NATS to be there.
 */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { type Advert, AdvertSchema } from '../protocol/advert.ts';
import { encode, WIRE_VERSION } from '../protocol/codec.ts';
import type { DrainReply } from '../protocol/control.ts';
import type { Daemon } from '../protocol/daemon/entry.ts';
import { type Lifecycle, startWithin } from '../protocol/daemon/lifecycle.ts';
import type { Log } from '../protocol/daemon/log.ts';
import { VERSION } from '../protocol/daemon/version.ts';
import { names as namesOf } from '../protocol/subjects.ts';
import { ask } from './ask.ts';
import { createAttempts } from './attempts.ts';
import { createBeacon } from './beacon.ts';
import { nodeEndpoints } from './bus.ts';
import type { NodeConfig } from './config.ts';
import { createConfiguration } from './configuration.ts';
import { fitAdvert } from './core/fit-advert.ts';
import { createCourier } from './courier.ts';
import { createDesiredFile } from './desired-file.ts';
import { createDrain } from './drain.ts';
import { createJournal } from './journal.ts';
import { createLines } from './line/lines.ts';
import { takeOver } from './line/take-over.ts';
import { createNatsWire, type NatsWire } from './nats-wire.ts';
import { probe } from './probing.ts';
import { clearLeftovers } from './process/leftovers.ts';
import { createReporter } from './reporter.ts';
import { createRoster } from './roster.ts';
import { lockState } from './state-directory.ts';
import { shutDown } from './stopping.ts';
import { watchSurroundings } from './surroundings.ts';
import { nodeVerbs } from './verbs.ts';
import { createVerifier } from './verify/verify.ts';

/** Drivers end processes, which takes a while and must not be cut short. */
const DRIVERS_LIMIT_MS = 15_000;
/** What stopping takes at most, once tasks have had their time to finish. */
const WIND_UP_LIMIT_MS = DRIVERS_LIMIT_MS + 30_000;

export interface RunningNode extends Daemon {
  readonly instance_id: string;
  /** Resolves once it answers over NATS for the first time. */
  readonly connected: Promise<unknown>;
  /** Whether somebody has a line to it, or anything runs. */
  readonly busy: boolean;
  /** Resolves when somebody has asked it to make way. */
  readonly windUpAsked: Promise<void>;
  /** Takes nothing new from now on. Resolves when nothing runs any more. */
  finish(): Promise<void>;
}

type Role =
  | {
      readonly role: 'daemon';
      /** Called when a stand-in has to make way first, which may take as long as a task does. */
      readonly onWaiting?: () => void;
    }
  | { readonly role: 'stand_in' };

export const startNode = (config: NodeConfig, log: Log, role: Role): Promise<RunningNode> =>
  startWithin(log, lifecycle => compose(config, log, lifecycle, role));

async function compose(config: NodeConfig, log: Log, lifecycle: Lifecycle, role: Role): Promise<RunningNode> {
  const instance_id = randomUUID();
  const { node, state_dir } = config;
  const { signal, handOver } = lifecycle;
  const began = performance.now();
  const onChange = (): void => {
    beacon.changed();
  };

  const lock =
    role.role === 'stand_in'
      ? await lockState(state_dir)
      : await takeOver({ directory: state_dir, onWaiting: role.onWaiting ?? (() => undefined), log });
  lifecycle.defer('state directory', lock.release);
  const journal = createJournal(join(state_dir, 'journal'));
  const recovered = await journal.recover();
  // Before anything is reported as cut off: what another node takes up must not run here any more.
  await clearLeftovers(config, log);
  const drain = await createDrain(state_dir);
  if (drain.draining) log.warn('drained', { node });
  const surroundings = await watchSurroundings({
    path: config.environment['PATH'],
    journal,
    max_output_bytes: config.max_output,
    lifecycle,
  });

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
    ...(role.role === 'stand_in' && { stand_in: true as const }),
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
      wire?.advert(bytes);
      lines.advert(bytes);
    },
    lifecycle,
    log,
  });

  let askToWindUp = (): void => undefined;
  const windUpAsked = new Promise<void>(resolve => {
    askToWindUp = resolve;
  });
  const names = namesOf(config.prefix);
  const wire: NatsWire | undefined =
    role.role === 'stand_in'
      ? undefined
      : createNatsWire({
          config,
          names,
          instance_id,
          endpoints: () =>
            nodeEndpoints({
              names,
              node,
              verbs,
              ask: prompt =>
                ask(prompt, { agents: [...roster.agents.values()], draining: drain.draining, signal }),
            }),
          onOpen: () => {
            courier.opened();
            beacon.send();
          },
          handOver,
          log,
        });
  if (wire !== undefined) lifecycle.defer('connection', () => wire.close());

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
    file: createDesiredFile(state_dir),
    log,
    onChange,
  });
  await configuration.restore();

  const courier = createCourier(log);
  const attempts = createAttempts({
    node,
    instance_id,
    agents: roster.agents,
    journal,
    reporter: createReporter({ courier, node, instance_id, log }),
    publishChunk: (id, n, text) => {
      courier.chunk({ v: WIRE_VERSION, ...id, n, text });
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
  const verbs = nodeVerbs({
    attempts,
    status: () => fitAdvert(advert()),
    drain: drainReply,
    probe: request => probe(request, look),
    verify: request => verifier.verify(request),
    async configure(request) {
      await attempts.obey(request);
      return await configuration.apply(request);
    },
  });
  const lines = createLines({
    state_dir,
    node,
    instance_id,
    role: role.role,
    verbs,
    advertNow: () => encode(AdvertSchema, fitAdvert(advert())),
    onOpen: () => {
      courier.opened();
    },
    onWindUp: askToWindUp,
    log,
  });
  if (wire !== undefined) courier.add(wire);
  courier.add(lines);

  await attempts.resume(recovered);
  await lines.start();
  lifecycle.defer('lines', () => lines.close());
  beacon.start();
  roster.start();
  wire?.start();

  const stop = (): Promise<void> =>
    shutDown({
      drain,
      drain_timeout_ms: config.drain_timeout,
      attempts,
      beacon,
      hopeful: () => wire !== undefined || courier.open,
      service: { stop: async () => wire?.leave() },
      leave: () => {
        leaving = true;
      },
      lifecycle,
      log,
    });
  let stopping: Promise<void> | undefined;
  return {
    instance_id,
    stop_limit_ms: config.drain_timeout + WIND_UP_LIMIT_MS,
    connected: wire?.connected ?? never(),
    failed: wire?.failed ?? never(),
    windUpAsked,
    get busy() {
      return lines.busy || attempts.live().length > 0;
    },
    async finish() {
      drain.stop();
      log.info('draining');
      beacon.changed();
      await attempts.idle();
    },
    stop() {
      stopping ??= stop();
      return stopping;
    },
  };
}

const never = <T>(): Promise<T> => new Promise<T>(() => undefined);
