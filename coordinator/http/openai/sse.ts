/**
 * A streamed answer. The head goes out with the first piece, or after a while without one: until then an error is an
 * answer with a status of its own. Each piece is written when the one before it was taken.
 */
import type { Context } from 'hono';
import { errorFields } from '../../../protocol/daemon/log.ts';
import { CcliError } from '../../../protocol/errors.ts';
import type { CallContext } from '../../caller.ts';
import { contextOf, type Door, type DoorEnv } from '../door.ts';
import { KEEPALIVE_MS, HEADERS as SSE_HEADERS } from '../sse.ts';
import { createTurns, type Turns } from '../sse-turns.ts';
import { piecesOf } from './answer.ts';
import type { Piece } from './answer-piece.ts';
import { type OpenAiErrorBody, openAiError } from './error.ts';
import type { Exchange } from './exchange.ts';
import { whyLeft } from './leaving.ts';

/** Puts pieces into the words of one API; each returns whole events. */
export interface Encoder {
  open(): string;
  piece(piece: Piece): string;
  failed(error: OpenAiErrorBody): string;
}

/** Most of what goes wrong does so at once. Longer, and a client would take silence for a dead connection. */
const HOLD_MS = 5_000;
const KEEPALIVE = ': keepalive\n\n';

/** @throws CcliError `too_many_streams`, and whatever goes wrong before the head is out */
export async function streamAnswer(
  c: Context<DoorEnv>,
  exchange: Exchange,
  encoder: Encoder,
): Promise<Response> {
  const { door } = exchange;
  const { caller, signal: hungUp } = contextOf(c);
  const leave = door.streamGate.enter(c.get('client'));
  const gone = new AbortController();
  const context: CallContext = { caller, signal: gone.signal };
  const turns = createTurns(piecesOf(exchange, context));

  const wake = (): void => {
    gone.abort(whyLeft(door, { caller, signal: hungUp }));
  };
  const finish = (): void => {
    hungUp.removeEventListener('abort', wake);
    door.signal.removeEventListener('abort', wake);
    leave();
    gone.abort(whyLeft(door, { caller, signal: hungUp }));
    turns.end().catch((error: unknown) => {
      // Its task was cancelled with it.
      if (!(error instanceof CcliError)) door.log.warn('stream_end_failed', errorFields(error));
    });
  };
  hungUp.addEventListener('abort', wake);
  door.signal.addEventListener('abort', wake);
  if (hungUp.aborted || door.signal.aborted) wake();

  try {
    await withinHold(turns);
  } catch (error) {
    finish();
    throw exchange.failure(error);
  }

  const next = createWriter(door, turns, encoder);
  const encode = new TextEncoder();
  let left = false;
  return c.body(
    new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          const text = await next();
          if (left) return;
          if (text === undefined) {
            finish();
            controller.close();
          } else controller.enqueue(encode.encode(text));
        },
        cancel() {
          left = true;
          finish();
        },
      },
      // Asked only when the socket takes more.
      { highWaterMark: 0 },
    ),
    200,
    { ...SSE_HEADERS, ...exchange.headers() },
  );
}

/** @throws what comes instead of the first piece, if it comes soon enough */
async function withinHold(turns: Turns<Piece>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const held = new Promise<undefined>(resolve => {
    timer = setTimeout(resolve, HOLD_MS, undefined);
  });
  const failed = turns.arrival().then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
  const failure = await Promise.race([failed, held]);
  clearTimeout(timer);
  if (failure !== undefined) throw failure.error;
}

/** What to write next; undefined at the end. */
function createWriter(door: Door, turns: Turns<Piece>, encoder: Encoder): () => Promise<string | undefined> {
  let state: 'new' | 'open' | 'over' = 'new';
  return async () => {
    if (state === 'over') return undefined;
    if (state === 'new') {
      state = 'open';
      return encoder.open();
    }
    const until_ms = performance.now() + KEEPALIVE_MS;
    try {
      for (;;) {
        const patience_ms = until_ms - performance.now();
        if (patience_ms <= 0) return KEEPALIVE;
        const turn = await turns.next(patience_ms);
        if (turn === undefined) continue;
        if (turn.done === true) return undefined;
        if (turn.value.kind === 'end') state = 'over';
        return encoder.piece(turn.value);
      }
    } catch (error) {
      state = 'over';
      return encoder.failed(openAiError(shown(error, door)).body);
    }
  };
}

/** What goes wrong inside is told to the log alone. */
function shown(error: unknown, { log }: Door): CcliError {
  if (error instanceof CcliError && error.code !== 'internal') return error;
  log.error('stream_failed', errorFields(error));
  return new CcliError('internal', error instanceof CcliError ? error.message : undefined);
}
