/** The lease as it stands in the store: who plans, under which epoch, for which fleet. Without a TTL: see leadership.ts. */
import type { KV } from '@nats-io/kv';
import { z } from 'zod';
import { decode, encode } from '../protocol/codec.ts';
import { FleetIdSchema } from '../protocol/control.ts';
import { lives, ProcessSchema } from '../protocol/daemon/lock.ts';
import { identify, processSpace } from '../protocol/daemon/process-identity.ts';
import { CcliError } from '../protocol/errors.ts';
import type { FleetStatus } from '../protocol/operation.ts';
import { isTaken } from './store.ts';

export const LEASE_KEY = 'leader';

export const LeaseSchema = z.object({
  /** The `coordinator_id` of the leader. */
  holder: z.string().min(1).max(64),
  epoch: z.int().nonnegative(),
  fleet_id: FleetIdSchema,
  /** Counts up with each renewal, so that a follower sees that the holder lives. */
  beat: z.int().nonnegative(),
  /** Given back in good order: whoever wants it need not wait. */
  released: z.literal(true).optional(),
  /** Its process, for others on the same host: they see at once that it has died. */
  process: ProcessSchema.extend({ space: z.string() }).optional(),
});
export type Lease = z.infer<typeof LeaseSchema>;

export type HolderProcess = NonNullable<Lease['process']>;

/** This process, where one can tell it from all others. */
export async function ownProcess(): Promise<HolderProcess | undefined> {
  const [space, process_start] = await Promise.all([processSpace(), identify(process.pid)]);
  return space === undefined || process_start === undefined
    ? undefined
    : { space, pid: process.pid, process_start };
}

/** Whether the holder's process is known to have ended; false when that cannot be told from here. */
export async function hasDied(
  holder: HolderProcess | undefined,
  own: HolderProcess | undefined,
): Promise<boolean> {
  if (holder === undefined || own === undefined || holder.space !== own.space) return false;
  return !(await lives(holder));
}

export interface StoredLease {
  readonly lease: Lease;
  readonly revision: number;
}

export interface LeaseStore {
  /** @throws CcliError `store_damaged` when the record is none of ours */
  read(): Promise<StoredLease | undefined>;
  /** @param revision of the lease it follows; 0 for the first. @returns its own, or undefined when somebody was faster. */
  write(lease: Lease, revision: number): Promise<number | undefined>;
}

export function createLeaseStore(control: KV): LeaseStore {
  return {
    async read() {
      const entry = await control.get(LEASE_KEY);
      if (entry?.operation !== 'PUT') return undefined;
      try {
        return { lease: decode(LeaseSchema, entry.value), revision: entry.revision };
      } catch (cause) {
        throw new CcliError('store_damaged', 'The record of the leader in the store cannot be read.', {
          cause,
        });
      }
    },
    async write(lease, revision) {
      const bytes = encode(LeaseSchema, lease);
      try {
        return revision === 0
          ? await control.create(LEASE_KEY, bytes)
          : await control.update(LEASE_KEY, bytes, revision);
      } catch (error) {
        if (isTaken(error)) return undefined;
        throw error;
      }
    },
  };
}

/** The leader, as the lease tells of it. */
export const leaderSeen = (lease: Lease | undefined): Pick<FleetStatus, 'epoch' | 'fleet_id' | 'leader'> =>
  lease === undefined || lease.released === true
    ? { epoch: lease?.epoch ?? 0, fleet_id: lease?.fleet_id ?? 'none' }
    : { epoch: lease.epoch, fleet_id: lease.fleet_id, leader: lease.holder };
