/** Gives a reader its text little by little, so that a flood of lines takes no more than its turn of the event loop. */
import { setImmediate as nextTurn } from 'node:timers/promises';

const PORTION_CHARS = 4 * 1024;
const TURN_MS = 10;

/** Stops between two portions once the signal is aborted: nobody wants the rest. */
export async function inPortions(
  text: string,
  push: (portion: string) => void,
  signal: AbortSignal,
): Promise<void> {
  let began = performance.now();
  for (let from = 0; from < text.length && !signal.aborted; from += PORTION_CHARS) {
    push(text.slice(from, from + PORTION_CHARS));
    if (performance.now() - began < TURN_MS) continue;
    await nextTurn();
    began = performance.now();
  }
}
