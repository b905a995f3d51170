/** Two sides measured in turn, so that whatever else the machine does falls on both. */
import { setTimeout as delay } from 'node:timers/promises';

interface PairsOptions<T> {
  /** Pairs that count, after `warm_up` that do not. */
  readonly count: number;
  readonly warm_up: number;
  readonly ours: () => Promise<T>;
  readonly limit: () => Promise<T>;
  /** Before each sample, so that what the last one left to do is done. */
  readonly pause_ms: number;
  readonly signal: AbortSignal;
}

export interface Pair<T> {
  readonly ours: T;
  readonly limit: T;
}

export async function measurePairs<T>(options: PairsOptions<T>): Promise<Pair<T>[]> {
  const { count, warm_up, signal } = options;
  const sample = async (side: () => Promise<T>): Promise<T> => {
    signal.throwIfAborted();
    await delay(options.pause_ms, undefined, { signal });
    return await side();
  };
  const pairs: Pair<T>[] = [];
  for (let round = 0; round < warm_up + count; round += 1) {
    // Neither side is always the one that comes second.
    const first = await sample(round % 2 === 0 ? options.ours : options.limit);
    const second = await sample(round % 2 === 0 ? options.limit : options.ours);
    if (round < warm_up) continue;
    pairs.push(round % 2 === 0 ? { ours: first, limit: second } : { ours: second, limit: first });
  }
  return pairs;
}
