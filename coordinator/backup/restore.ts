/**
 * `ccli restore`: the stores of a backup, on a server that has none, as the beginning of a new fleet.
 *
 * Every stream is marked until all are there; the tasks come first and the control bucket last: a coordinator takes nothing less for a
 * store, and whoever restores again knows what an interrupted restore has left, and clears it away.
 */
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { NatsConnection } from '@nats-io/nats-core';
import { z } from 'zod';
import { CcliError } from '../../protocol/errors.ts';
import { OPERATIONS } from '../../protocol/operation.ts';
import type { Names } from '../../protocol/subjects.ts';
import { hasSchema, leaseOf, RecordsSchema, writeRecords } from './control-records.ts';
import { ApiFailure, apiRequest, deleteStream, streamConfig } from './jetstream-api.ts';
import { lostSignal } from './lost.ts';
import { entryOf, type Manifest } from './manifest.ts';
import { CONTROL, PARTS, RESTORE_ORDER, streamOf } from './parts.ts';
import { restoreStream } from './restore-stream.ts';
import { readBackup } from './verify.ts';

interface RestoreOptions {
  readonly connection: NatsConnection;
  readonly names: Names;
  readonly directory: string;
  readonly signal: AbortSignal;
  readonly onStage: (text: string) => void;
}

/** In a stream's description. */
const MARK = 'being restored by ccli';

/**
 * @returns what was restored, with the store's new fleet_id.
 * @throws CcliError `backup_unusable`, `store_not_empty`, `state_in_use` when a coordinator runs, `store_full` when the
 *   server has too little room; the signal's reason when aborted. Then the streams made so far are gone again.
 */
export async function restore(options: RestoreOptions): Promise<{ manifest: Manifest; fleet_id: string }> {
  const { connection, names, directory, onStage } = options;
  onStage('checking the backup');
  const manifest = await readBackup(directory, names);
  await refuseCoordinator(connection, names);
  await clearLeftovers(options);
  const lost = lostSignal(connection);
  const signal = AbortSignal.any([options.signal, lost]);
  try {
    for (const part of RESTORE_ORDER) {
      const stream = streamOf(part, names);
      const { config, state, file } = entryOf(manifest, part, stream);
      onStage(`writing ${stream}`);
      await restoreStream({
        connection,
        config: { ...config, name: stream, description: MARK },
        state,
        file: join(directory, file),
        signal,
        lost,
      });
    }
    signal.throwIfAborted();
  } catch (error) {
    await takeBack(options, lost).catch(() => {
      onStage('what was written could not be cleared away; the next restore does that first');
    });
    signal.throwIfAborted();
    throw asCcliError(error, manifest.server_version, connection.info?.version ?? 'unknown');
  }
  try {
    return { manifest, fleet_id: await makeValid(options, manifest) };
  } catch (error) {
    throw asCcliError(error, manifest.server_version, connection.info?.version ?? 'unknown');
  }
}

async function refuseCoordinator(connection: NatsConnection, names: Names): Promise<void> {
  const alone = await connection
    .request(`${names.prefix}.${OPERATIONS.status.subject}`, '', { timeout: 2_000 })
    .then(
      () => false,
      // Nobody listens, or nobody answers: not a coordinator that could get in the way.
      () => true,
    );
  if (alone) return;
  throw new CcliError(
    'state_in_use',
    `A coordinator runs on this server under the prefix "${names.prefix}"; stop every coordinator first, then restore.`,
  );
}

/** @throws CcliError `store_not_empty` unless all there is was left by a restore that broke off. */
async function clearLeftovers({ connection, names, onStage }: RestoreOptions): Promise<void> {
  const found: string[] = [];
  for (const part of PARTS) {
    const stream = streamOf(part, names);
    const config = await streamConfig(connection, stream);
    if (config === undefined) continue;
    const ours =
      part === CONTROL
        ? found.length > 0 && !(await hasSchema(connection, names.controlBucket))
        : config.description === MARK;
    if (!ours) {
      throw new CcliError(
        'store_not_empty',
        `This server has a stream ${stream} already. Restore to a server, or a state directory, without a store; nothing was changed.`,
      );
    }
    found.push(stream);
  }
  if (found.length === 0) return;
  onStage('clearing away what an interrupted restore left');
  for (const stream of found) await deleteStream(connection, stream);
}

async function takeBack({ connection, names }: RestoreOptions, lost: AbortSignal): Promise<void> {
  lost.throwIfAborted();
  for (const part of RESTORE_ORDER) {
    const stream = streamOf(part, names);
    const config = await streamConfig(connection, stream);
    if (config?.description === MARK) await deleteStream(connection, stream);
  }
}

/** From here on the store counts, as that of a fleet that never was before. */
async function makeValid(
  { connection, names, directory }: RestoreOptions,
  manifest: Manifest,
): Promise<string> {
  const control = entryOf(manifest, CONTROL, streamOf(CONTROL, names));
  const records = RecordsSchema.parse(JSON.parse(await readFile(join(directory, control.file), 'utf8')));
  const fleet_id = randomUUID();
  await writeRecords({
    connection,
    bucket: names.controlBucket,
    config: control.config,
    records,
    // Nobody holds it: the next coordinator need not wait.
    lease: { holder: 'restore', epoch: leaseOf(records)?.epoch ?? 0, fleet_id, beat: 0, released: true },
  });
  for (const part of RESTORE_ORDER) {
    const stream = streamOf(part, names);
    const { config } = entryOf(manifest, part, stream);
    await apiRequest(connection, {
      call: `STREAM.UPDATE.${stream}`,
      value: config,
      reply: z.looseObject({}),
    });
  }
  return fleet_id;
}

const NO_ROOM = /insufficient (storage|memory|resources)|resources? exceeded|maximum bytes/i;

function asCcliError(error: unknown, made_on: string, server: string): unknown {
  if (!(error instanceof ApiFailure)) return error;
  if (error.nameInUse) return new CcliError('store_not_empty', undefined, { cause: error });
  if (NO_ROOM.test(error.message)) {
    return new CcliError(
      'store_full',
      "The server has no room for the backup's stores; raise max_file_store in its configuration.",
      { cause: error },
    );
  }
  const versions =
    made_on === server
      ? 'The server could not restore a stream; its reason is named.'
      : `nats-server ${server} could not restore a backup made with ${made_on}; use that version, or a newer one.`;
  return new CcliError('store_unavailable', versions, { cause: error });
}
