/** Several roads measured in turn, so that whatever else the machine does falls on all of them. */
import { setTimeout as delay } from 'node:timers/promises';

/** Milliseconds until the whole answer was there. */
export type Road = () => Promise<number>;

interface RoundsOptions {
  readonly roads: ReadonlyMap<string, Road>;
  /** Rounds that count, after `warm_up` that do not. */
  readonly count: number;
  readonly warm_up: number;
  /** Before each sample, so that what the last one left to do is done. */
  readonly pause_ms: number;
  readonly signal: AbortSignal;
  readonly onRound: (round: number) => void;
}

/** By road, in the order of the rounds. */
export async function measureRounds(options: RoundsOptions): Promise<ReadonlyMap<string, number[]>> {
  const { count, warm_up, pause_ms, signal } = options;
  const names = [...options.roads.keys()];
  const samples = new Map(names.map(name => [name, [] as number[]]));
  for (let round = 0; round < warm_up + count; round += 1) {
    options.onRound(round - warm_up);
    for (const index of orderOf(round, names.length)) {
      const name = names[index] ?? '';
      const road = options.roads.get(name);
      if (road === undefined) continue;
      signal.throwIfAborted();
      await delay(pause_ms, undefined, { signal });
      const took_ms = await road();
      if (round >= warm_up) samples.get(name)?.push(took_ms);
    }
  }
  return samples;
}

/**
 * What a road finds depends on the one before it: a process that has just ended has emptied caches. So in as many rounds
 * as there are roads, an even number, each comes once after each other one (the design of Williams); every other time
 * round it runs backwards, which evens out an odd number too.
 */
export function orderOf(round: number, count: number): number[] {
  const zigzag = Array.from({ length: count }, (_, index) =>
    index % 2 === 1 ? (index + 1) / 2 : (count - index / 2) % count,
  );
  const order = zigzag.map(index => (index + round) % count);
  return Math.floor(round / count) % 2 === 0 ? order : order.reverse();
}
