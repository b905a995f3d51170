/** Follows the stores: reads them at the start, compares them with what is known every second, and keeps their bounds. */
import type { NatsConnection } from '@nats-io/nats-core';
import type { Lifecycle } from '../protocol/daemon/lifecycle.ts';
import { errorFields, type Log } from '../protocol/daemon/log.ts';
import type { Names } from '../protocol/subjects.ts';
import type { CoordinatorConfig } from './config.ts';
import { createStoreFollower } from './follow-store.ts';
import { createHistory } from './history.ts';
import type { Mirror } from './mirror.ts';
import type { OpenStores } from './open-stores.ts';
import { ensureStreams } from './provision.ts';
import type { Registry } from './registry.ts';
import type { ServerClock } from './server-clock.ts';
import type { TaskStore } from './store.ts';
import { createStoreUsage, type StoreUsage } from './store-usage.ts';

const INTERVAL_MS = 1_000;

export interface Upkeep {
  readonly usage: StoreUsage;
  /** Whether the mirror shows what is stored, and not what was. */
  readonly current: () => boolean;
  /** NATS was away, and may have forgotten what it held in memory. */
  readonly lineIsBack: () => void;
}

interface UpkeepOptions extends Pick<OpenStores, 'manager' | 'stores' | 'insist'> {
  readonly connection: NatsConnection;
  readonly names: Names;
  readonly config: CoordinatorConfig;
  readonly store: TaskStore;
  readonly mirror: Mirror;
  readonly registry: Registry;
  readonly server_clock: ServerClock;
  readonly clock: () => number;
  readonly leading: () => boolean;
  readonly lifecycle: Lifecycle;
  readonly log: Log;
}

/** Resolves once mirror, registry and usage show what is stored. @throws CcliError `store_damaged` */
export async function startUpkeep(options: UpkeepOptions): Promise<Upkeep> {
  const { names, config, manager, stores, insist, store, mirror, registry } = options;
  const { server_clock, clock, leading, lifecycle, log } = options;
  const { signal, handOver } = lifecycle;
  const follower = createStoreFollower({ store, mirror, server_clock, clock, signal, handOver, log });
  await insist(() => follower.start());
  await insist(() => registry.start());
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
    leading,
    log,
  });
  /** Of the streams in memory. */
  let volatile: 'there' | 'to be checked' = 'there';

  lifecycle.every(INTERVAL_MS, async () => {
    await follower.check();
    try {
      if (volatile === 'to be checked') await ensureStreams(manager, names, config.store);
      volatile = 'there';
      await registry.refresh();
      await usage.refresh();
    } catch (error) {
      log.debug('store_not_read', errorFields(error));
    }
  });
  // A turn may purge hundreds of tasks: what is looked at every second must not wait for it.
  lifecycle.every(INTERVAL_MS, () => history.turn());
  hearOfChanges(options);
  return {
    usage,
    current: () => follower.current,
    lineIsBack() {
      volatile = 'to be checked';
      handOver(follower.check());
    },
  };
}

/** Another coordinator tells of a change it made to the registry; one that is not heard of is found by the next turn. */
function hearOfChanges({ connection, names, registry, lifecycle, log }: UpkeepOptions): void {
  let told = false;
  let looking: Promise<void> | undefined;
  const look = async (): Promise<void> => {
    try {
      // What is told while it looks may have come too late for it.
      while (told && !lifecycle.signal.aborted) {
        told = false;
        await registry.refresh();
      }
    } catch (error) {
      log.debug('store_not_read', errorFields(error));
    } finally {
      looking = undefined;
    }
  };
  const changes = connection.subscribe(names.agentEvent('*', '*'), {
    callback: error => {
      if (error !== null || lifecycle.signal.aborted) return;
      told = true;
      if (looking !== undefined) return;
      looking = look();
      lifecycle.handOver(looking);
    },
  });
  lifecycle.defer('changes of agents', () => {
    changes.unsubscribe();
  });
}
