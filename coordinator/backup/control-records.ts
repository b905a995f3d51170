/** The control bucket as records: the version of the stores, the lease, and whatever else is kept there. */
import { jetstream } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/nats-core';
import { z } from 'zod';
import { decode, encode } from '../../protocol/codec.ts';
import { CcliError } from '../../protocol/errors.ts';
import { LEASE_KEY, type Lease, LeaseSchema } from '../lease.ts';
import { apiRequest } from './jetstream-api.ts';

/** Written last by a restore: a store without it is none. */
export const SCHEMA_KEY = 'schema';

export const RecordsSchema = z.array(z.object({ key: z.string().min(1).max(255), value: z.base64() }));
type Records = z.infer<typeof RecordsSchema>;

export async function readRecords(connection: NatsConnection, bucket: string): Promise<Records> {
  const control = await new Kvm(jetstream(connection)).open(bucket);
  const records: Records = [];
  for await (const key of await control.keys()) {
    const entry = await control.get(key);
    if (entry?.operation === 'PUT') records.push({ key, value: Buffer.from(entry.value).toString('base64') });
  }
  return records.sort((a, b) => (a.key < b.key ? -1 : 1));
}

export const valueOf = (records: Records, key: string): Uint8Array | undefined => {
  const record = records.find(candidate => candidate.key === key);
  return record === undefined ? undefined : Buffer.from(record.value, 'base64');
};

/** Undefined before the first leader. @throws CcliError `store_damaged` */
export function leaseOf(records: Records): Lease | undefined {
  const bytes = valueOf(records, LEASE_KEY);
  try {
    return bytes === undefined ? undefined : decode(LeaseSchema, bytes);
  } catch (cause) {
    throw new CcliError('store_damaged', 'The lease in the control bucket is not what ccli wrote.', {
      cause,
    });
  }
}

interface WriteOptions {
  readonly connection: NatsConnection;
  readonly bucket: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly records: Records;
  readonly lease: Lease;
}

/**
 * The lease goes first, so that no coordinator ever plans on restored tasks under the old `fleet_id`; the version last,
 * so that what broke off in between is seen to be no store.
 */
export async function writeRecords(options: WriteOptions): Promise<void> {
  const { connection, bucket, config, records, lease } = options;
  if (valueOf(records, SCHEMA_KEY) === undefined)
    throw new CcliError('backup_unusable', 'The backup does not say which version its stores are of.');
  await apiRequest(connection, {
    call: `STREAM.CREATE.KV_${bucket}`,
    value: config,
    reply: z.looseObject({}),
  });
  const control = await new Kvm(jetstream(connection)).open(bucket);
  await control.put(LEASE_KEY, encode(LeaseSchema, lease));
  const others = records.filter(({ key }) => key !== LEASE_KEY && key !== SCHEMA_KEY);
  for (const { key, value } of others) await control.put(key, Buffer.from(value, 'base64'));
  const schema = valueOf(records, SCHEMA_KEY);
  if (schema !== undefined) await control.put(SCHEMA_KEY, schema);
}

export async function hasSchema(connection: NatsConnection, bucket: string): Promise<boolean> {
  const control = await new Kvm(jetstream(connection)).open(bucket);
  return (await control.get(SCHEMA_KEY))?.operation === 'PUT';
}
