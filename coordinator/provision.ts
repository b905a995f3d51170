/**
 * Makes the streams and buckets, or finds them made: versioned, idempotent, and refused when newer than this code or
 * not what ccli made. Everything is looked at before anything is changed.
 *
 * The record of the schema is written last. So a store without one was never used, and one with it is whole.
 */
import {
  AckPolicy,
  DiscardPolicy,
  JetStreamApiCodes,
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
import { available } from './store-error.ts';
import { checkStreams, type Shape } from './store-shape.ts';

/** Of the layout of the stores; raised together with a migration. */
export const SCHEMA_VERSION = 1;

const SchemaRecordSchema = z.object({ version: z.int().positive() });

const MIB = 1024 * 1024;
const DAY_MS = 86_400_000;

export interface Stores {
  readonly tasks: KV;
  readonly control: KV;
  readonly agents: KV;
  readonly blobs: ObjectStore;
  /** For what the stores themselves cannot do: look at a stream, and purge it. */
  readonly manager: JetStreamManager;
  readonly names: Names;
  /** The streams below the stores. */
  readonly streams: {
    readonly tasks: string;
    readonly blobs: string;
    readonly reports: string;
    readonly agents: string;
  };
}

/**
 * @throws CcliError `store_newer` when a newer ccli wrote the store, and `store_damaged` when a part of it is missing,
 *   unreadable or somebody else's, both before anything is touched; `store_full` when the server has no room for the
 *   bounds asked for.
 */
export async function provision(
  jetstream: JetStreamClient,
  manager: JetStreamManager,
  names: Names,
  limits: CoordinatorConfig['store'],
): Promise<Stores> {
  try {
    const there = await inspect(jetstream, manager, names, limits);
    const kvm = new Kvm(jetstream);
    // To make what is there again would count its bound twice against the server's limit.
    const bucket = async (name: string, max_bytes: number): Promise<KV> => {
      const made = there.has(`KV_${name}`)
        ? await kvm.open(name)
        : await kvm.create(name, { history: 8, max_bytes });
      await bound(manager, `KV_${name}`, max_bytes);
      return made;
    };
    const control = await bucket(names.controlBucket, MIB);
    const tasks = await bucket(names.tasksBucket, limits.tasks);
    const agents = await bucket(names.agentsBucket, 16 * MIB);
    const objm = new Objm(jetstream);
    const blobs = there.has(`OBJ_${names.blobsBucket}`)
      ? await objm.open(names.blobsBucket)
      : await objm.create(names.blobsBucket);
    // The object store's own options know no size bound; an unbounded one could fill the disk.
    await bound(manager, `OBJ_${names.blobsBucket}`, limits.blobs);
    for (const stream of streams(names, limits)) await upsertStream(manager, stream, there.has(stream.name));
    await claimSchema(control);
    return { tasks, control, agents, blobs, manager, names, streams: streamNames(names) };
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

const streamNames = (names: Names): Stores['streams'] => ({
  tasks: `KV_${names.tasksBucket}`,
  blobs: `OBJ_${names.blobsBucket}`,
  reports: names.reportsStream,
  agents: `KV_${names.agentsBucket}`,
});

/**
 * Looks and changes nothing.
 *
 * @returns the streams that are there
 * @throws CcliError `store_damaged`, `store_newer`
 */
async function inspect(
  jetstream: JetStreamClient,
  manager: JetStreamManager,
  names: Names,
  limits: CoordinatorConfig['store'],
): Promise<ReadonlySet<string>> {
  const shapes = shapesOf(names, limits);
  // Another coordinator may be at it right now. It writes the schema between making the streams and using them: looked
  // at before the schema, a stream that is used has one; looked at after it, none may be missing.
  const before = await checkStreams(manager, shapes);
  const version = before.has(`KV_${names.controlBucket}`)
    ? await schemaOf(await new Kvm(jetstream).open(names.controlBucket))
    : undefined;
  if (version === undefined) {
    const { tasks } = streamNames(names);
    if ((before.get(tasks)?.state.messages ?? 0) === 0) return new Set(before.keys());
    throw new CcliError(
      'store_damaged',
      `The stream ${tasks} holds tasks, but ${names.controlBucket} does not say who wrote them. Restore a backup, or move it away to begin anew. Nothing was changed.`,
    );
  }
  if (version > SCHEMA_VERSION) {
    throw new CcliError(
      'store_newer',
      `The store is of version ${version}; this ccli knows up to ${SCHEMA_VERSION}. Upgrade ccli here.`,
    );
  }
  const after = await checkStreams(manager, shapes);
  const gone = Object.values(streamNames(names)).filter(stream => !after.has(stream));
  if (gone.length === 0) return new Set(after.keys());
  throw new CcliError(
    'store_damaged',
    `A part of the store is gone: ${gone.join(', ')}. Restore a backup, or move the rest away to begin anew. Nothing was changed.`,
  );
}

/** @returns undefined when nobody has finished making the store yet */
async function schemaOf(control: KV): Promise<number | undefined> {
  const entry = await control.get('schema');
  if (entry === null) return undefined;
  try {
    return decode(SchemaRecordSchema, entry.value).version;
  } catch (cause) {
    throw new CcliError(
      'store_damaged',
      'What the store says of its own version cannot be read. Restore a backup, or move it away to begin anew. Nothing was changed.',
      { cause },
    );
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
  if ((await control.get('schema')) !== null) return;
  await control
    .create('schema', encode(SchemaRecordSchema, { version: SCHEMA_VERSION }))
    .catch((error: unknown) => {
      // Another coordinator was faster.
      if (!(error instanceof JetStreamApiError)) throw error;
    });
}

/** A store that is there already takes on the bound that is asked for now. */
async function bound(manager: JetStreamManager, stream: string, max_bytes: number): Promise<void> {
  const { config } = await manager.streams.info(stream);
  if (config.max_bytes !== max_bytes) await manager.streams.update(stream, { ...config, max_bytes });
}

/** After a restart of the server, which forgets the stream that is in memory. */
export async function ensureStreams(
  manager: JetStreamManager,
  names: Names,
  limits: CoordinatorConfig['store'],
): Promise<void> {
  const volatile = streams(names, limits).filter(({ storage }) => storage === StorageType.Memory);
  for (const stream of volatile) await upsertStream(manager, stream, false);
}

type NamedStream = Partial<StreamConfig> & { name: string; subjects: string[]; storage: StorageType };

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

async function upsertStream(manager: JetStreamManager, stream: NamedStream, there: boolean): Promise<void> {
  if (there) {
    await manager.streams.update(stream.name, stream);
    return;
  }
  try {
    await manager.streams.add(stream);
  } catch (error) {
    // Somebody was faster; where room is short, the server takes it for one more and says so instead.
    if (!(error instanceof JetStreamApiError)) throw error;
    await manager.streams.update(stream.name, stream).catch(() => {
      throw error;
    });
  }
}

/** What each stream below the stores must be like, to be one of ours. */
const shapesOf = (names: Names, limits: CoordinatorConfig['store']): Shape[] => [
  ...[names.controlBucket, names.tasksBucket, names.agentsBucket].map(bucket => ({
    stream: `KV_${bucket}`,
    subjects: [`$KV.${bucket}.>`],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    keeps: true,
  })),
  {
    stream: `OBJ_${names.blobsBucket}`,
    subjects: [`$O.${names.blobsBucket}.C.>`, `$O.${names.blobsBucket}.M.>`],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    keeps: true,
  },
  ...streams(names, limits).map(({ name, subjects, retention, storage, discard }) => ({
    stream: name,
    subjects,
    retention: retention ?? RetentionPolicy.Limits,
    storage,
    keeps: discard === DiscardPolicy.New,
  })),
];

/** How many reports of a node are in the stream and not yet folded. @throws CcliError `store_unavailable` */
export async function waitingReports(manager: JetStreamManager, names: Names, node: string): Promise<number> {
  const subject = names.report(node);
  const { state } = await available(manager.streams.info(names.reportsStream, { subjects_filter: subject }));
  return state.subjects?.[subject] ?? 0;
}

/**
 * For whoever begins to fold: made anew, the consumer delivers at once what its predecessor was given and had not yet
 * acknowledged.
 */
export async function resetReportsConsumer(manager: JetStreamManager, names: Names): Promise<void> {
  await manager.consumers.delete(names.reportsStream, names.reportsConsumer).catch((error: unknown) => {
    const missing = error instanceof JetStreamApiError && error.code === JetStreamApiCodes.ConsumerNotFound;
    if (!missing) throw storeProblem(error);
  });
  await available(
    manager.consumers.add(names.reportsStream, {
      durable_name: names.reportsConsumer,
      ack_policy: AckPolicy.Explicit,
      ack_wait: nanos(30_000),
      // Those that wait for somebody who can read them must not keep back the others.
      max_ack_pending: -1,
      max_deliver: -1,
    }),
  );
}
