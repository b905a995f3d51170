/** The epoch: each coordinator that starts takes the next one, and nodes obey the highest they have seen. */
import { randomUUID } from 'node:crypto';
import type { KV } from '@nats-io/kv';
import { z } from 'zod';
import { decode, encode } from '../protocol/codec.ts';
import { CcliError } from '../protocol/errors.ts';
import { isTaken } from './store.ts';

const LeaseSchema = z.object({
  holder: z.string().min(1).max(64),
  epoch: z.int().positive(),
  fleet_id: z.string().min(1).max(64),
});

const TRIES = 10;

/** @throws CcliError `store_unavailable` when others keep being faster */
export async function takeEpoch(control: KV, holder: string): Promise<number> {
  for (let round = 0; round < TRIES; round += 1) {
    const entry = await control.get('leader');
    const before = entry === null ? undefined : decode(LeaseSchema, entry.value);
    const lease = { holder, epoch: (before?.epoch ?? 0) + 1, fleet_id: before?.fleet_id ?? randomUUID() };
    const bytes = encode(LeaseSchema, lease);
    const write =
      entry === null ? control.create('leader', bytes) : control.update('leader', bytes, entry.revision);
    const written = await write.then(
      () => true,
      (error: unknown) => {
        if (isTaken(error)) return false;
        throw error;
      },
    );
    if (written) return lease.epoch;
  }
  throw new CcliError('store_unavailable', 'Too many coordinators start at once; start this one again.');
}
