/**
 * Reading a whole stream: `$JS.API.STREAM.SNAPSHOT.<stream>` makes the server send the stream in chunks to a subject of
 * ours. Each chunk wants an answer before many more are sent; an empty message is the end, with a status from 300 up
 * when it is not the end of a whole snapshot. Consumers are left out: a coordinator makes its own.
 */
import { createInbox, type Msg, type NatsConnection } from '@nats-io/nats-core';
import { z } from 'zod';
import { CcliError } from '../../protocol/errors.ts';
import { apiRequest } from './jetstream-api.ts';

const OpaqueSchema = z.record(z.string(), z.unknown());
const ReplySchema = z.object({ config: OpaqueSchema, state: OpaqueSchema });

export interface SnapshotOptions {
  readonly connection: NatsConnection;
  readonly stream: string;
  readonly signal: AbortSignal;
  /** Awaited before the server may send much more. */
  readonly write: (chunk: Uint8Array) => Promise<void>;
}

const CHUNK_BYTES = 128 * 1024;
/** An older server checks every message before it answers. */
const START_TIMEOUT_MS = 120_000;
const STALL_MS = 60_000;

/** @throws ApiFailure, CcliError `store_unavailable`; the signal's reason when aborted. */
export async function snapshotStream(options: SnapshotOptions): Promise<z.infer<typeof ReplySchema>> {
  const { connection, stream, signal } = options;
  signal.throwIfAborted();
  const inbox = createInbox();
  const chunks = connection.subscribe(inbox);
  const stop = (): void => {
    chunks.unsubscribe();
  };
  signal.addEventListener('abort', stop);
  try {
    const described = await apiRequest(connection, {
      call: `STREAM.SNAPSHOT.${stream}`,
      value: { deliver_subject: inbox, no_consumers: true, jsck: true, chunk_size: CHUNK_BYTES },
      reply: ReplySchema,
      timeout_ms: START_TIMEOUT_MS,
      signal,
    });
    const whole = await receive(chunks, options, stop);
    signal.throwIfAborted();
    if (!whole) throw new CcliError('store_unavailable', `The server stopped sending ${stream}; try again.`);
    return described;
  } finally {
    signal.removeEventListener('abort', stop);
    stop();
  }
}

async function receive(
  chunks: AsyncIterable<Msg>,
  { stream, write }: SnapshotOptions,
  giveUp: () => void,
): Promise<boolean> {
  let received = 0;
  const stalled = setTimeout(giveUp, STALL_MS);
  try {
    for await (const message of chunks) {
      stalled.refresh();
      if (message.data.byteLength === 0) {
        const { code = 0, description = '' } = message.headers ?? {};
        if (code < 300) return true;
        throw new CcliError('store_unavailable', `The server broke off sending ${stream}: ${description}.`);
      }
      received += 1;
      refuseGap(message, received, stream);
      await write(message.data);
      if (message.reply !== undefined && message.reply !== '') message.respond();
    }
    return false;
  } finally {
    clearTimeout(stalled);
  }
}

/** The server numbers its chunks in the last token of the subject it wants the answer on; the last chunk has none. */
function refuseGap({ reply }: Msg, expected: number, stream: string): void {
  const index = Number(reply?.split('.').at(-1) ?? '');
  if (reply === undefined || reply === '' || !Number.isInteger(index) || index === expected) return;
  throw new CcliError('store_unavailable', `A part of ${stream} was lost on the way; try again.`);
}
