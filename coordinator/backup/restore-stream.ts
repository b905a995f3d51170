/**
 * Writing a whole stream: `$JS.API.STREAM.RESTORE.<stream>` answers with a subject that takes the chunks of a snapshot
 * one by one; an empty one ends it, and is answered when the stream is there.
 */
import { open } from 'node:fs/promises';
import type { NatsConnection } from '@nats-io/nats-core';
import { z } from 'zod';
import { apiRequest, unanswered, understand } from './jetstream-api.ts';
import { unlessAborted } from './unless-aborted.ts';

interface RestoreStreamOptions {
  readonly connection: NatsConnection;
  readonly config: Readonly<Record<string, unknown>> & { readonly name: string };
  readonly state: Readonly<Record<string, unknown>>;
  readonly file: string;
  readonly signal: AbortSignal;
  /** Aborts, as `signal` does then too, when there is no connection to say goodbye on. */
  readonly lost: AbortSignal;
}

const ReplySchema = z.object({ deliver_subject: z.string().min(1) });
const CreatedSchema = z.looseObject({ config: z.looseObject({ name: z.string() }) });

const CHUNK_BYTES = 256 * 1024;
/** The server may store thousands of messages, each synced, before it answers for one chunk. */
const CHUNK_TIMEOUT_MS = 10 * 60_000;
const END_TIMEOUT_MS = 60 * 60_000;
const GIVING_UP_MS = 10_000;

/** @throws ApiFailure, CcliError; the signal's reason when aborted. The stream may then be there in part. */
export async function restoreStream(options: RestoreStreamOptions): Promise<void> {
  const { connection, config, state, file, signal, lost } = options;
  const what = `STREAM.RESTORE.${config.name}`;
  const { deliver_subject } = await apiRequest(connection, {
    call: what,
    value: { config, state },
    reply: ReplySchema,
    // Not ours: whoever gives up before the answer would leave the server waiting for chunks.
    signal: lost,
  });
  const send = async (chunk: Uint8Array, timeout: number): Promise<Uint8Array> => {
    try {
      return (await unlessAborted(connection.request(deliver_subject, chunk, { timeout }), signal)).data;
    } catch (error) {
      signal.throwIfAborted();
      throw unanswered(error, what);
    }
  };
  const source = await open(file, 'r');
  try {
    const chunk = Buffer.alloc(CHUNK_BYTES);
    for (;;) {
      const { bytesRead } = await source.read(chunk, 0, CHUNK_BYTES);
      if (bytesRead === 0) break;
      const answer = await send(chunk.subarray(0, bytesRead), CHUNK_TIMEOUT_MS);
      // An answer with something in it is a refusal.
      if (answer.byteLength > 0) understand(answer, what, z.never());
    }
  } catch (error) {
    // Told that no more comes, the server ends its half at once: what it has made can then be deleted.
    const end = connection.request(deliver_subject, new Uint8Array(), { timeout: GIVING_UP_MS });
    await unlessAborted(end, lost).catch(() => undefined);
    throw error;
  } finally {
    await source.close();
  }
  const created = await send(new Uint8Array(), END_TIMEOUT_MS);
  understand(created, what, CreatedSchema);
}
