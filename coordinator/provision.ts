/** Makes the streams and buckets, or finds them made: versioned, idempotent, and refused when newer than this code. */
import {
  AckPolicy,
  DiscardPolicy,
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from '@nats-io/jetstream';
import { type KV, Kvm } from '@nats-io/kv';
import { nanos } from '@nats-io/nats-core';
import { type ObjectStore, Objm } from '@nats-io/obj';
import { z } from 'zod';
import { decode, encode } from '../protocol/codec.ts';
import { CcliError } from '../protocol/errors.ts';
import type { Names } from '../protocol/subjects.ts';
import type { CoordinatorConfig } from './config.ts';

/** Of the layout of the stores; raised together with a migration. */
export const SCHEMA_VERSION = 1;

const SchemaRecordSchema = z.object({ version: z.int().positive() });

const MIB = 1024 * 1024;
const DAY_MS = 86_400_000;

export interface Stores {
  readonly tasks: KV;
  readonly control: KV;
  readonly blobs: ObjectStore;
}

/**
 * @throws CcliError `store_newer` when a newer ccli wrote the store, before anything is touched; `store_full` when
 *   the server has no room for the bounds asked for.
 */
export async function provision(
  jetstream: JetStreamClient,
  manager: JetStreamManager,
  names: Names,
  limits: CoordinatorConfig['store'],
): Promise<Stores> {
  try {
    const kvm = new Kvm(jetstream);
    const control = await kvm.create(names.controlBucket, { history: 8, max_bytes: MIB });
    await claimSchema(control);
    const tasks = await kvm.create(names.tasksBucket, { history: 8, max_bytes: limits.tasks });
    await kvm.create(names.agentsBucket, { history: 8, max_bytes: 16 * MIB });
    const blobs = await createBlobs(jetstream, manager, names, limits.blobs);
    for (const stream of streams(names, limits)) await upsertStream(manager, stream);
    await ensureConsumer(manager, names);
    return { tasks, control, blobs };
  } catch (error) {
    if (error instanceof JetStreamApiError && /insufficient (storage|memory)/.test(error.message)) {
      throw new CcliError(
        'store_full',
        'The NATS server has no room for the stores; lower `store` or raise its limits.',
        {
          cause: error,
        },
      );
    }
    throw error;
  }
}

async function claimSchema(control: KV): Promise<void> {
  const entry = await control.get('schema');
  if (entry === null) {
    await control
      .create('schema', encode(SchemaRecordSchema, { version: SCHEMA_VERSION }))
      .catch((error: unknown) => {
        // Another coordinator was faster; what it wrote is looked at next time round.
        if (!(error instanceof JetStreamApiError)) throw error;
      });
    return;
  }
  const { version } = decode(SchemaRecordSchema, entry.value);
  if (version > SCHEMA_VERSION) {
    throw new CcliError(
      'store_newer',
      `The store is of version ${version}; this ccli knows up to ${SCHEMA_VERSION}. Upgrade ccli here.`,
    );
  }
}

async function createBlobs(
  jetstream: JetStreamClient,
  manager: JetStreamManager,
  names: Names,
  max_bytes: number,
): Promise<ObjectStore> {
  const blobs = await new Objm(jetstream).create(names.blobsBucket);
  const name = `OBJ_${names.blobsBucket}`;
  const { config } = await manager.streams.info(name);
  // The object store's own options know no size bound; an unbounded one could fill the disk.
  if (config.max_bytes !== max_bytes) await manager.streams.update(name, { ...config, max_bytes });
  return blobs;
}

type NamedStream = Partial<StreamConfig> & { name: string; subjects: string[] };

const streams = (names: Names, limits: CoordinatorConfig['store']): NamedStream[] => [
  {
    name: names.reportsStream,
    subjects: [names.allReports],
    retention: RetentionPolicy.Workqueue,
    storage: StorageType.File,
    discard: DiscardPolicy.New,
    max_bytes: limits.reports,
    duplicate_window: nanos(120_000),
  },
  {
    name: names.outputStream,
    subjects: [names.allOutput],
    storage: StorageType.Memory,
    discard: DiscardPolicy.Old,
    max_bytes: limits.output,
    max_age: nanos(3_600_000),
    max_msgs_per_subject: 10_000,
  },
  {
    name: names.eventsStream,
    subjects: [names.allEvents],
    storage: StorageType.File,
    discard: DiscardPolicy.Old,
    max_bytes: limits.events,
    max_age: nanos(7 * DAY_MS),
  },
];

async function upsertStream(manager: JetStreamManager, stream: NamedStream): Promise<void> {
  try {
    await manager.streams.add(stream);
  } catch (error) {
    if (!(error instanceof JetStreamApiError) || !/name already in use/.test(error.message)) throw error;
    await manager.streams.update(stream.name, stream);
  }
}

async function ensureConsumer(manager: JetStreamManager, names: Names): Promise<void> {
  await manager.consumers.add(names.reportsStream, {
    durable_name: names.reportsConsumer,
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(30_000),
    max_ack_pending: 1_024,
    max_deliver: -1,
  });
}
