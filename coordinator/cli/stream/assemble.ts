/** Puts the chunks of an answer in order, and says at the end what is still to be shown. Pure. */
import type { Chunk } from '../../../protocol/output.ts';

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
  push(chunk: Pick<Chunk, 'attempt' | 'n' | 'text'>): AssemblyEvent[];
  /** @param response the whole answer; undefined when the task has none. */
  finish(response: string | undefined): Ending;
}

/** Chunks that may come early before the one they wait for counts as lost. */
const WINDOW = 8;

export function createAssembler(): Assembler {
  let attempt = 0;
  let expected = 0;
  let shown = '';
  let whole = true;
  const early = new Map<number, string>();

  const drain = (): AssemblyEvent[] => {
    const events: AssemblyEvent[] = [];
    for (let text = early.get(expected); text !== undefined; text = early.get(expected)) {
      early.delete(expected);
      expected += 1;
      if (text === '') continue;
      shown += text;
      events.push({ kind: 'text', attempt, text });
    }
    return events;
  };

  return {
    push(chunk) {
      if (chunk.attempt < attempt) return [];
      const events: AssemblyEvent[] = [];
      if (chunk.attempt > attempt) {
        // Nobody needs to hear of an attempt of which they saw nothing.
        if (shown !== '' || !whole) events.push({ kind: 'restart', attempt: chunk.attempt });
        attempt = chunk.attempt;
        expected = 0;
        shown = '';
        whole = true;
        early.clear();
      }
      if (chunk.n < expected) return events;
      early.set(chunk.n, chunk.text);
      events.push(...drain());
      if (early.size > WINDOW) {
        const next = Math.min(...early.keys());
        events.push({ kind: 'gap', attempt, missing: next - expected });
        expected = next;
        whole = false;
        events.push(...drain());
      }
      return events;
    },
    finish(response) {
      if (response === undefined) {
        const rest = [...early].sort(([a], [b]) => a - b).map(([, text]) => text);
        return { kind: 'remainder', text: rest.join('') };
      }
      // After a restart `shown` begins anew, so a clean last attempt needs its remainder only.
      if (whole && response.startsWith(shown))
        return { kind: 'remainder', text: response.slice(shown.length) };
      return { kind: 'full', text: response };
    },
  };
}
