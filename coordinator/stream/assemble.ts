/** Shows an answer from its chunks, and says at the end what is still to be shown. Pure. */
import { createOrder, type Piece } from './order.ts';

export type AssemblyEvent =
  | { readonly kind: 'text'; readonly attempt: number; readonly text: string }
  /** Another attempt has taken over: what was shown before is void. */
  | { readonly kind: 'restart'; readonly attempt: number }
  /** `missing` chunks never came. */
  | { readonly kind: 'gap'; readonly attempt: number; readonly missing: number };

/** What a reader who saw the events still needs to have the whole answer. */
export type Ending =
  | { readonly kind: 'remainder'; readonly text: string }
  | { readonly kind: 'full'; readonly text: string };

export interface Assembler {
  push(chunk: Piece): AssemblyEvent[];
  /** @param response the whole answer; undefined when the task has none. */
  finish(response: string | undefined): Ending;
}

export function createAssembler(): Assembler {
  const order = createOrder();
  let attempt = 0;
  let expected = 0;
  let shown = '';
  let whole = true;

  const show = (piece: Piece): AssemblyEvent[] => {
    const events: AssemblyEvent[] = [];
    if (piece.n > expected) {
      events.push({ kind: 'gap', attempt, missing: piece.n - expected });
      whole = false;
    }
    expected = piece.n + 1;
    if (piece.text !== '') {
      shown += piece.text;
      events.push({ kind: 'text', attempt, text: piece.text });
    }
    return events;
  };

  return {
    push(chunk) {
      const events: AssemblyEvent[] = [];
      if (chunk.attempt > attempt) {
        // Nobody needs to hear of an attempt of which they saw nothing.
        if (shown !== '' || !whole) events.push({ kind: 'restart', attempt: chunk.attempt });
        attempt = chunk.attempt;
        expected = 0;
        shown = '';
        whole = true;
      }
      return [...events, ...order.push(chunk).flatMap(show)];
    },
    finish(response) {
      if (response === undefined) {
        const rest = order.settle().map(({ text }) => text);
        return { kind: 'remainder', text: rest.join('') };
      }
      // After a restart `shown` begins anew, so a clean last attempt needs its remainder only.
      if (whole && response.startsWith(shown))
        return { kind: 'remainder', text: response.slice(shown.length) };
      return { kind: 'full', text: response };
    },
  };
}
