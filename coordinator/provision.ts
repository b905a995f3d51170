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
    const bucket = async (name: string, max_bytes: number): Promise<KV> => {
      const made = await kvm.create(name, { history: 8, max_bytes });
      await bound(manager, `KV_${name}`, max_bytes);
      return made;
    };
    const control = await kvm.create(names.controlBucket, { history: 8, max_bytes: MIB });
    await claimSchema(control);
    const tasks = await bucket(names.tasksBucket, limits.tasks);
    await bucket(names.agentsBucket, 16 * MIB);
    const blobs = await new Objm(jetstream).create(names.blobsBucket);
    // The object store's own options know no size bound; an unbounded one could fill the disk.
    await bound(manager, `OBJ_${names.blobsBucket}`, limits.blobs);
    await ensureStreams(manager, names, limits);
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
    throw storeProblem(error);
  }
}

/** What keeps a coordinator from its store, in terms of what to do about it. */
export function storeProblem(cause: unknown): CcliError {
  if (cause instanceof CcliError) return cause;
  // The library does not export the class.
  if (cause instanceof Error && cause.name === 'JetStreamNotEnabled') {
    return new CcliError(
      'store_unavailable',
      'This NATS server runs without JetStream; start it with `-js`.',
      { cause },
    );
  }
  return new CcliError('store_unavailable', 'The task store on NATS cannot be set up.', { cause });
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

/** A store that is there already takes on the bound that is asked for now. */
async function bound(manager: JetStreamManager, stream: string, max_bytes: number): Promise<void> {
  const { config } = await manager.streams.info(stream);
  if (config.max_bytes !== max_bytes) await manager.streams.update(stream, { ...config, max_bytes });
}

/** Also after a restart of the server, which forgets the stream that is in memory. */
export async function ensureStreams(
  manager: JetStreamManager,
  names: Names,
  limits: CoordinatorConfig['store'],
): Promise<void> {
  for (const stream of streams(names, limits)) await upsertStream(manager, stream);
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
