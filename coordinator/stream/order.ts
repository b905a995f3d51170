/** Puts the chunks of a task in order: of the newest attempt, each once, none before those that come first. Pure. */
import type { Chunk } from '../../protocol/output.ts';

export type Piece = Pick<Chunk, 'attempt' | 'n' | 'text'>;

export interface Order {
  /** @returns the chunks that are next; a jump in their numbers tells of those that are lost */
  push(chunk: Piece): Piece[];
  /** Nothing that is missing now will come any more. @returns what waited for it */
  settle(): Piece[];
  /** What is waited for: the number of the next chunk, in the newest attempt; 0 before the first. */
  readonly next: { readonly attempt: number; readonly n: number };
}

/** Chunks that may come early before the one they wait for counts as lost. */
const WINDOW = 8;

export function createOrder(): Order {
  let attempt = 0;
  let expected = 0;
  const early = new Map<number, string>();

  const drain = (): Piece[] => {
    const pieces: Piece[] = [];
    for (let text = early.get(expected); text !== undefined; text = early.get(expected)) {
      early.delete(expected);
      pieces.push({ attempt, n: expected, text });
      expected += 1;
    }
    return pieces;
  };

  const skip = (): Piece[] => {
    expected = Math.min(...early.keys());
    return drain();
  };

  return {
    push(chunk) {
      if (chunk.attempt < attempt) return [];
      if (chunk.attempt > attempt) {
        attempt = chunk.attempt;
        expected = 0;
        early.clear();
      }
      if (chunk.n < expected) return [];
      early.set(chunk.n, chunk.text);
      const pieces = drain();
      if (early.size > WINDOW) pieces.push(...skip());
      return pieces;
    },
    settle() {
      const pieces: Piece[] = [];
      while (early.size > 0) pieces.push(...skip());
      return pieces;
    },
    get next() {
      return { attempt, n: expected };
    },
  };
}
