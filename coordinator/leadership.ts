/**
 * Who of several coordinators plans.
 *
 *     follower ──the lease is released, its holder's process is dead, or it has not
 *        ^        changed for TAKE_AFTER of its length─────────────────────────────────> leader, under the next epoch
 *        └──somebody else has written the lease, or a node obeys a newer epoch──────────────┘
 *
 * A lease counts on clocks of its readers alone: its holder renews it and trusts it for one length since it began the
 * last renewal that came through; the others wait for longer than that since they saw it change. A holder that was
 * stopped for too long finds, before it decides anything, that its trust has run out.
 */
import { randomUUID } from 'node:crypto';
import type { Lifecycle } from '../protocol/daemon/lifecycle.ts';
import { errorFields, type Log } from '../protocol/daemon/log.ts';
import { CcliError } from '../protocol/errors.ts';
import { type HolderProcess, hasDied, type Lease, type LeaseStore, type StoredLease } from './lease.ts';

/** What a leader's requests carry. Nodes obey the highest epoch of a fleet that they have seen. */
export interface Mandate {
  readonly fleet_id: string;
  readonly epoch: number;
}

export interface Leadership {
  /** Whether this coordinator may decide at this moment. Asked right before each decision. */
  readonly holds: () => boolean;
  /** The last one it had: a request that is still on its way when another takes over goes out under the old epoch. */
  readonly mandate: Mandate;
  /** The lease as last seen, whoever holds it. */
  readonly seen: Lease | undefined;
  /** A node has obeyed an epoch above ours: follow, and never lead under one that is not higher. */
  readonly superseded: (epoch: number) => void;
  /** Resolves once it is known who leads, if the store answers. @throws CcliError `store_damaged` */
  start(): Promise<void>;
}

interface LeadershipOptions {
  readonly store: LeaseStore;
  readonly coordinator_id: string;
  /** This process, as others on its host can know it. */
  readonly process: HolderProcess | undefined;
  readonly lease_ms: number;
  /** Monotonic, in milliseconds. */
  readonly clock: () => number;
  readonly onLead: (mandate: Mandate) => void;
  /** Its trust had run out, and nobody has taken over: whatever it has not heard meanwhile says nothing. */
  readonly onRegain: () => void;
  readonly onFollow: () => void;
  readonly lifecycle: Lifecycle;
  readonly log: Log;
}

const RENEWALS = 3;
const TAKE_AFTER = 1.5;
const LOOKS = 10;
const NOBODY: Mandate = { fleet_id: 'none', epoch: 0 };

export function createLeadership(options: LeadershipOptions): Leadership {
  const { store, coordinator_id, lease_ms, clock, lifecycle, log } = options;
  let seen: (StoredLease & { readonly since_ms: number }) | undefined;
  let mandate = NOBODY;
  /** When the last renewal that came through began; undefined while following. */
  let trusted_from_ms: number | undefined;
  let least_epoch = 0;
  let looked_at_ms = Number.NEGATIVE_INFINITY;

  const notice = (found: StoredLease | undefined): void => {
    const now = clock();
    // While we looked away, it may have been renewed for all we know.
    const away = now - looked_at_ms > lease_ms / 2;
    looked_at_ms = now;
    if (found === undefined) seen = undefined;
    else if (away || seen?.revision !== found.revision) seen = { ...found, since_ms: now };
  };

  const follow = (why: string): void => {
    if (trusted_from_ms === undefined) return;
    trusted_from_ms = undefined;
    log.warn('leadership_lost', { epoch: mandate.epoch, why });
    options.onFollow();
  };

  const isLeading = (): boolean => trusted_from_ms !== undefined;

  const isOwn = (lease: Lease): boolean => lease.holder === coordinator_id && lease.epoch === mandate.epoch;

  /** Looks anew: a write whose answer was lost may have been done. */
  const look = async (): Promise<void> => {
    const found = await store.read();
    notice(found);
    if (trusted_from_ms === undefined) return;
    if (found === undefined) follow('the lease is gone');
    else if (!isOwn(found.lease) || found.lease.released === true) follow('another coordinator took over');
  };

  const write = async (lease: Lease): Promise<boolean> => {
    const revision = await store.write(lease, seen?.revision ?? 0);
    if (revision === undefined) return false;
    seen = { lease, revision, since_ms: clock() };
    return true;
  };

  const renew = async (): Promise<void> => {
    const lease = seen?.lease;
    if (lease === undefined || trusted_from_ms === undefined) return;
    const began = clock();
    if (began - trusted_from_ms < lease_ms / RENEWALS) return;
    const lapsed = began - trusted_from_ms >= lease_ms;
    const renewed = await write({ ...lease, beat: lease.beat + 1 });
    if (!renewed) await look();
    // A node may have told of a newer epoch meanwhile.
    else if (isLeading()) {
      trusted_from_ms = began;
      if (lapsed) options.onRegain();
    }
  };

  const isFree = async (): Promise<boolean> => {
    if (seen === undefined || seen.lease.released === true) return true;
    if (clock() - seen.since_ms >= TAKE_AFTER * lease_ms) return true;
    return await hasDied(seen.lease.process, options.process);
  };

  const take = async (): Promise<void> => {
    const before = seen?.lease;
    const fleet_id = before?.fleet_id ?? randomUUID();
    const epoch = Math.max(before?.epoch ?? 0, least_epoch) + 1;
    const began = clock();
    const own = options.process === undefined ? {} : { process: options.process };
    if (!(await write({ holder: coordinator_id, epoch, fleet_id, beat: 0, ...own }))) {
      await look();
      return;
    }
    mandate = { fleet_id, epoch };
    trusted_from_ms = began;
    log.info('leading', { epoch, fleet_id, after: before?.holder });
    options.onLead(mandate);
  };

  const turn = async (): Promise<void> => {
    if (trusted_from_ms !== undefined) await renew();
    else {
      await look();
      if ((await isFree()) && !lifecycle.signal.aborted) await take();
    }
  };

  const release = async (): Promise<void> => {
    const lease = seen?.lease;
    if (trusted_from_ms === undefined || lease === undefined) return;
    trusted_from_ms = undefined;
    try {
      await write({ ...lease, released: true });
    } catch (error) {
      // The others find out by its age.
      log.warn('lease_not_released', errorFields(error));
    }
  };

  return {
    holds: () => trusted_from_ms !== undefined && clock() - trusted_from_ms < lease_ms,
    get mandate() {
      return mandate;
    },
    get seen() {
      return seen?.lease;
    },
    superseded(epoch) {
      least_epoch = Math.max(least_epoch, epoch);
      follow('a node obeys a newer epoch');
    },
    async start() {
      const attempt = async (): Promise<void> => {
        try {
          await turn();
        } catch (error) {
          log.warn('lease_not_reached', errorFields(error));
          if (error instanceof CcliError && error.code === 'store_damaged') throw error;
        }
      };
      await attempt();
      lifecycle.every(lease_ms / LOOKS, attempt);
      lifecycle.defer('lease', release);
    },
  };
}
