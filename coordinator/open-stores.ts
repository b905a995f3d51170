/** The stores of a fleet, made or found made, once the server answers. */
import { type JetStreamClient, type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { type KV, Kvm } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/nats-core';
import type { Log } from '../protocol/daemon/log.ts';
import type { Names } from '../protocol/subjects.ts';
import type { CoordinatorConfig } from './config.ts';
import { insistOn } from './insist.ts';
import { provision, type Stores, storeProblem } from './provision.ts';

export interface OpenStores {
  readonly js: JetStreamClient;
  readonly manager: JetStreamManager;
  readonly stores: Stores;
  /** The control bucket for the lease alone: a request that goes unanswered for longer than it lasts is of no use. */
  readonly lease: KV;
  /** Work that a start depends on: asked for again while NATS is away. */
  readonly insist: <T>(work: () => Promise<T>) => Promise<T>;
}

interface OpenOptions {
  readonly connection: NatsConnection;
  readonly names: Names;
  readonly config: CoordinatorConfig;
  readonly signal: AbortSignal;
  readonly log: Log;
}

const MIN_LEASE_TIMEOUT_MS = 300;

/** @throws CcliError as `provision` does */
export async function openStores({
  connection,
  names,
  config,
  signal,
  log,
}: OpenOptions): Promise<OpenStores> {
  const js = jetstream(connection);
  const manager = await jetstreamManager(connection).catch((error: unknown) => {
    throw storeProblem(error);
  });
  const insist = <T>(work: () => Promise<T>): Promise<T> => insistOn(work, signal, log);
  const stores = await insist(() => provision(js, manager, names, config.store));
  const swift = jetstream(connection, { timeout: Math.max(MIN_LEASE_TIMEOUT_MS, config.lease / 3) });
  const lease = await insist(() => new Kvm(swift).open(names.controlBucket));
  return { js, manager, stores, lease, insist };
}
