/**
 * An answer without an end: the events of an iterable, each written when the one before it was taken. Nothing is
 * collected here: whoever does not read asks for no further event, and falls behind in what the streams keep. The
 * server itself closes the connection of a reader who takes nothing at all for too long, and the streams say it when
 * the door closes.
 */
import type { Context } from 'hono';
import { errorFields } from '../../protocol/daemon/log.ts';
import { CcliError } from '../../protocol/errors.ts';
import type { CallContext } from '../caller.ts';
import { contextOf, type Door, type DoorEnv } from './door.ts';
import { createTurns } from './sse-turns.ts';
import { createSseWriter, type Encode } from './sse-writer.ts';

export const KEEPALIVE_MS = 15_000;

export const HEADERS = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-store, no-transform',
  // Asks nginx not to collect what is to be read at once.
  'x-accel-buffering': 'no',
};

interface EventStreamOptions<E> {
  readonly open: (context: CallContext) => AsyncIterable<E>;
  readonly encode: Encode<E>;
  /** The first event comes at once, or a refusal instead, which is then the answer. */
  readonly beginsAtOnce: boolean;
}

/** What a HEAD request gets instead of a stream. */
export const streamHead = (c: Context<DoorEnv>): Response => c.body(null, 200, HEADERS);

/** @throws CcliError `too_many_streams`, and with `beginsAtOnce` what the iterable throws before its first event */
export async function eventStream<E>(
  c: Context<DoorEnv>,
  door: Door,
  { open, encode, beginsAtOnce }: EventStreamOptions<E>,
): Promise<Response> {
  const { caller, signal: ended } = contextOf(c);
  const { log } = door;
  const leave = door.streamGate.enter(c.get('client'));
  const left = new AbortController();
  const gone = new AbortController();
  const turns = createTurns(open({ caller, signal: left.signal }));

  /** Asks for no further event; what is to be said of it can still be written. */
  const stop = (): void => {
    if (left.signal.aborted) return;
    left.abort();
    leave();
    turns.end().catch((error: unknown) => {
      log.warn('stream_end_failed', errorFields(error));
    });
  };
  const finish = (): void => {
    if (gone.signal.aborted) return;
    gone.abort();
    ended.removeEventListener('abort', onEnded);
    stop();
  };
  const onEnded = (): void => {
    if (refusalOf(ended) === undefined) finish();
    else stop();
  };
  ended.addEventListener('abort', onEnded);
  if (ended.aborted) onEnded();

  if (beginsAtOnce) {
    await turns.arrival().catch((error: unknown) => {
      finish();
      throw error;
    });
  }

  const nextBytes = createSseWriter({
    turns,
    encode,
    gone: gone.signal,
    refused: () => refusalOf(ended),
    keepalive_ms: KEEPALIVE_MS,
    log,
  });
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const bytes = await nextBytes();
        if (gone.signal.aborted) return;
        if (bytes !== undefined) {
          controller.enqueue(bytes);
          return;
        }
        controller.close();
        finish();
      },
      cancel: finish,
    },
    // Asked only when the socket takes more.
    { highWaterMark: 0 },
  );
  return c.body(body, 200, HEADERS);
}

/** Why whoever still reads is to read no further; undefined when there is nobody left to tell. */
const refusalOf = ({ reason }: AbortSignal): CcliError | undefined =>
  reason instanceof CcliError && reason.code !== 'cancelled' ? reason : undefined;
