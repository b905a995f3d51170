/** `ccli backup`: the stores of a fleet, as they are while it runs, in a directory of their own. */
import type { NatsConnection } from '@nats-io/nats-core';
import { VERSION } from '../../protocol/daemon/version.ts';
import { CcliError } from '../../protocol/errors.ts';
import type { Names } from '../../protocol/subjects.ts';
import { SCHEMA_VERSION } from '../provision.ts';
import { leaseOf, readRecords } from './control-records.ts';
import { createDraft, type Draft } from './draft.ts';
import { ApiFailure, streamConfig } from './jetstream-api.ts';
import { lostSignal } from './lost.ts';
import { FORMAT, MANIFEST, type Manifest, type PartEntry } from './manifest.ts';
import { CONTROL, fileOf, PARTS, STREAM_PARTS, type StreamPart, streamOf } from './parts.ts';
import { snapshotStream } from './snapshot.ts';

interface BackupOptions {
  readonly connection: NatsConnection;
  readonly names: Names;
  /** Made; refused when it is there already. */
  readonly directory: string;
  readonly signal: AbortSignal;
  readonly onStage: (text: string) => void;
}

/**
 * @throws CcliError `invalid_request` when the directory is there already, `store_damaged` when a store is missing,
 *   `store_unavailable`, `nats_unreachable`, `output_failed`; the signal's reason when aborted. Then nothing is left.
 */
export async function backUp(options: BackupOptions): Promise<Manifest> {
  const signal = AbortSignal.any([options.signal, lostSignal(options.connection)]);
  const work = { ...options, signal };
  await refuseMissing(work);
  const draft = await createDraft(options.directory);
  try {
    const manifest = await writeAll(work, draft);
    signal.throwIfAborted();
    await draft.publish();
    return manifest;
  } catch (error) {
    await draft.discard();
    // What was lost says more than the request that failed for it.
    signal.throwIfAborted();
    throw error;
  }
}

async function refuseMissing({ connection, names }: BackupOptions): Promise<void> {
  for (const part of PARTS) {
    const stream = streamOf(part, names);
    if ((await streamConfig(connection, stream)) === undefined) {
      throw new CcliError(
        'store_damaged',
        `This server has no stream ${stream}: there is no whole store of a fleet with prefix "${names.prefix}" to back up.`,
      );
    }
  }
}

async function writeAll(options: BackupOptions, draft: Draft): Promise<Manifest> {
  const { connection, names } = options;
  const streams: PartEntry[] = [];
  for (const part of STREAM_PARTS) streams.push(await writeStream(options, draft, part));
  const records = await readRecords(connection, names.controlBucket);
  const stream = streamOf(CONTROL, names);
  const written = await draft.write(fileOf(CONTROL), append => append(json(records)));
  const config = (await streamConfig(connection, stream)) ?? {};
  streams.push({ part: CONTROL, stream, file: fileOf(CONTROL), ...written, config, state: {} });
  const lease = leaseOf(records);
  const manifest: Manifest = {
    format: FORMAT,
    ccli_version: VERSION,
    schema_version: SCHEMA_VERSION,
    server_version: connection.info?.version ?? 'unknown',
    prefix: names.prefix,
    ...(lease !== undefined && { fleet_id: lease.fleet_id }),
    created_at: new Date().toISOString(),
    streams,
  };
  await draft.write(MANIFEST, append => append(json(manifest)));
  return manifest;
}

const json = (value: unknown): Uint8Array => new TextEncoder().encode(`${JSON.stringify(value, null, 2)}\n`);

async function writeStream(
  { connection, names, signal, onStage }: BackupOptions,
  draft: Draft,
  part: StreamPart,
): Promise<PartEntry> {
  const stream = streamOf(part, names);
  onStage(`reading ${stream}`);
  let described: Pick<PartEntry, 'config' | 'state'> = { config: {}, state: {} };
  const written = await draft.write(fileOf(part), async append => {
    described = await snapshotStream({ connection, stream, signal, write: append }).catch(asCcliError);
  });
  return { part, stream, file: fileOf(part), ...written, ...described };
}

function asCcliError(error: unknown): never {
  if (!(error instanceof ApiFailure)) throw error;
  throw new CcliError('store_unavailable', 'The server could not make a snapshot; its reason is named.', {
    cause: error,
  });
}
