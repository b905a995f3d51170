/** What has been told of an answer, as a digest: enough to say at the end what of the answer is still to be told. */
import { createHash, type Hash } from 'node:crypto';
import type { Piece } from './order.ts';

/** Whether what was told is the beginning of the answer, its end, or neither. */
type Verdict =
  | { readonly kind: 'beginning'; readonly rest: string }
  | { readonly kind: 'end' }
  | { readonly kind: 'neither' };

export interface Told {
  /** In order; after a hole it tells of what came after that. */
  add(piece: Piece): void;
  /** Whether it may be all of the answer; cheap. */
  fills(response: string): boolean;
  compare(response: string): Verdict;
}

export function createTold(): Told {
  let next = { attempt: 0, n: 0 };
  let from_start = true;
  let length = 0;
  let hash: Hash = createHash('sha256');

  const restart = (): void => {
    length = 0;
    hash = createHash('sha256');
  };

  return {
    add({ attempt, n, text }) {
      if (attempt !== next.attempt) {
        restart();
        from_start = n === 0;
      } else if (n !== next.n) {
        restart();
        from_start = false;
      }
      next = { attempt, n: n + 1 };
      length += text.length;
      hash.update(unitsOf(text));
    },
    fills: response => from_start && length === response.length,
    compare(response) {
      const same = (part: string): boolean =>
        part.length === length && digestOf(part).equals(hash.copy().digest());
      if (from_start && same(response.slice(0, length)))
        return { kind: 'beginning', rest: response.slice(length) };
      if (length > 0 && same(response.slice(-length))) return { kind: 'end' };
      return { kind: 'neither' };
    },
  };
}

/** A chunk may end inside a character, which UTF-8 could not say. */
const unitsOf = (text: string): Buffer => Buffer.from(text, 'utf16le');

const digestOf = (text: string): Buffer => createHash('sha256').update(unitsOf(text)).digest();
