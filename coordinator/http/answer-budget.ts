/**
 * Memory for long answers that are put together in this process, from their slices to the last byte on the socket. What
 * is streamed, or fits a message, needs none of it.
 */
import type { ServerResponse } from 'node:http';
import { CcliError } from '../../protocol/errors.ts';

interface Answering {
  /** Whose it is: see `DoorEnv`. */
  readonly client: string;
  readonly outgoing: ServerResponse;
  /** Aborts when nobody waits for it any more. */
  readonly signal: AbortSignal;
}

export interface AnswerBudget {
  /**
   * Held until the answer is out, or nobody waits for it.
   *
   * @param size_bytes of the text alone
   * @throws CcliError `overloaded`
   */
  take(answering: Answering, size_bytes: number): void;
  /** Held at this moment. */
  readonly bytes: number;
}

/** The slices, the text they make, its JSON, and what of that waits in the socket. */
const COPIES = 4;
const RETRY_MS = 1_000;

/** @param limit bytes; one answer is let through whatever its size, and while there are others one client gets half */
export function createAnswerBudget(limit: number): AnswerBudget {
  const clients = new Map<string, number>();
  let held = 0;
  const add = (client: string, bytes: number): void => {
    held += bytes;
    const total = (clients.get(client) ?? 0) + bytes;
    if (total > 0) clients.set(client, total);
    else clients.delete(client);
  };
  const fits = (client: string, bytes: number): boolean => {
    if (held === 0) return true;
    const own = clients.get(client) ?? 0;
    return held + bytes <= limit && (own === 0 || own + bytes <= limit / 2);
  };

  return {
    take({ client, outgoing, signal }, size_bytes) {
      signal.throwIfAborted();
      const bytes = COPIES * size_bytes;
      if (!fits(client, bytes))
        throw new CcliError(
          'overloaded',
          'Too many long answers are under way; try again in a moment, or fetch this one as text, from the /response of its task.',
          { retry_after_ms: RETRY_MS },
        );
      add(client, bytes);
      let released = false;
      const release = (): void => {
        if (released) return;
        released = true;
        outgoing.off('close', release);
        signal.removeEventListener('abort', release);
        add(client, -bytes);
      };
      outgoing.once('close', release);
      // An answer that waits for its turn on its connection does not hear of the end of that.
      signal.addEventListener('abort', release);
    },
    get bytes() {
      return held;
    },
  };
}
