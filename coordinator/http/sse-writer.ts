/** What to write next to a reader of events. */
import { errorFields, type Log } from '../../protocol/daemon/log.ts';
import { CcliError } from '../../protocol/errors.ts';
import { closedBytes, keepalive, OPENING } from './sse-encoding.ts';
import type { Turns } from './sse-turns.ts';

/** An event's bytes; or, of one that this reader did not ask for, only its id. */
export type Encode<E> = (event: E) => Uint8Array | { readonly passed: string };

interface WriterOptions<E> {
  readonly turns: Turns<E>;
  readonly encode: Encode<E>;
  /** Aborts when the reader is gone. */
  readonly gone: AbortSignal;
  /** Why the reader gets no more, as soon as that is so. */
  readonly refused: () => CcliError | undefined;
  /** The longest silence. */
  readonly keepalive_ms: number;
  readonly log: Log;
}

/** @returns gives the next bytes; undefined at the end */
export function createSseWriter<E>(options: WriterOptions<E>): () => Promise<Uint8Array | undefined> {
  const { turns, encode, gone, refused, keepalive_ms, log } = options;
  let state: 'new' | 'open' | 'over' = 'new';
  let passed: string | undefined;

  const told = (bytes: Uint8Array): Uint8Array => {
    passed = undefined;
    return bytes;
  };
  const last = (error: CcliError): Uint8Array => {
    state = 'over';
    return closedBytes(error);
  };

  const nextEvent = async (): Promise<Uint8Array | undefined> => {
    const until_ms = performance.now() + keepalive_ms;
    while (!gone.aborted) {
      const refusal = refused();
      if (refusal !== undefined) return last(refusal);
      const patience_ms = until_ms - performance.now();
      if (patience_ms <= 0) return told(keepalive(passed));
      const turn = await turns.next(patience_ms);
      if (turn === undefined || refused() !== undefined) continue;
      if (turn.done === true) break;
      const encoded = encode(turn.value);
      if (encoded instanceof Uint8Array) return told(encoded);
      passed = encoded.passed;
    }
    state = 'over';
    return undefined;
  };

  return async () => {
    if (state === 'over') return undefined;
    if (state === 'new') {
      state = 'open';
      return OPENING;
    }
    try {
      return await nextEvent();
    } catch (error) {
      const refusal = refused();
      if (refusal !== undefined) return last(refusal);
      if (error instanceof CcliError) return last(error);
      log.error('stream_failed', errorFields(error));
      return last(new CcliError('internal'));
    }
  };
}
