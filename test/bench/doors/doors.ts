/** What each door adds to a task, in latency and in requests a second, over the bare dispatcher. */

import { median } from '../../../coordinator/baseline/statistics.ts';
import { createLifecycle } from '../../../protocol/daemon/lifecycle.ts';
import { errorFields } from '../../../protocol/daemon/log.ts';
import type { Benchmark } from '../benchmark.ts';
import { currentLoad, describeMachine, renderMachine } from '../machine.ts';
import { measurePairs } from '../pairs.ts';
import { compare, type Row, renderRows } from '../rows.ts';
import { figures } from '../table.ts';
import { bareDispatcher, type OpenDoor, openDoors } from './doors-open.ts';
import { startFleet } from './fleet.ts';
import { type DoorsOptions, readOptions } from './options.ts';
import { requestsPerSecond } from './throughput.ts';

const WARM_UP = 20;
/** Takes of each side, in turn; the median counts. */
const TAKES = 3;

interface Rate {
  readonly name: string;
  readonly bare_per_s: number;
  readonly door_per_s: number;
  readonly ratio: number;
}

export const doors: Benchmark = {
  about: 'a task through each door, over the same asked of the dispatcher directly',
  async run(args, io) {
    const options = readOptions(args);
    const { signal, say } = io;
    const load_1m = currentLoad();
    const lifecycle = createLifecycle({
      onError: (error, what) => {
        say(`${what}: ${JSON.stringify(errorFields(error))}`);
      },
    });
    try {
      const fleet = await startFleet({ lifecycle, signal, say, slots: options.in_flight });
      const grounds = { fleet, in_flight: options.in_flight, lifecycle, signal };
      const bare = bareDispatcher(grounds);
      const rows: Row[] = [];
      const rates: Rate[] = [];
      for (const door of await openDoors(grounds)) {
        say(door.name);
        rows.push(await latency(door, bare, options, signal));
        rates.push(await rate(door, bare, options, signal));
      }
      const machine = describeMachine({ nats_server: fleet.version, gemini: 'none' }, load_1m);
      if (options.json) io.print(`${JSON.stringify({ machine, latency: rows, throughput: rates })}\n`);
      else io.print(`\n${renderRows(rows)}\n${renderRates(rates, options)}\n${renderMachine(machine)}`);
    } finally {
      await lifecycle.stop();
    }
  },
};

async function latency(
  door: OpenDoor,
  bare: OpenDoor,
  { pairs: count }: DoorsOptions,
  signal: AbortSignal,
): Promise<Row> {
  const timed =
    ({ once }: OpenDoor) =>
    async (): Promise<number> => {
      const began = performance.now();
      await once();
      return performance.now() - began;
    };
  const ours = timed(door);
  const limit = timed(bare);
  const pairs = await measurePairs({ count, warm_up: WARM_UP, ours, limit, pause_ms: 0, signal });
  return compare(door.name, pairs, door.allowed_ms);
}

async function rate(
  door: OpenDoor,
  bare: OpenDoor,
  { requests, in_flight }: DoorsOptions,
  signal: AbortSignal,
): Promise<Rate> {
  const taken: { bare: number[]; door: number[] } = { bare: [], door: [] };
  for (let take = 0; take < TAKES; take += 1) {
    const how = { requests: Math.ceil(requests / TAKES), in_flight, signal };
    taken.bare.push(await requestsPerSecond(bare.once, how));
    taken.door.push(await requestsPerSecond(door.once, how));
  }
  const bare_per_s = median(taken.bare);
  const door_per_s = median(taken.door);
  return { name: door.name, bare_per_s, door_per_s, ratio: door_per_s / bare_per_s };
}

const renderRates = (rates: readonly Rate[], { in_flight }: DoorsOptions): string =>
  figures(
    [`requests/s, ${in_flight} in flight`, 'bare', 'door', 'ratio'],
    rates.map(({ name, bare_per_s, door_per_s, ratio }) => [
      name,
      bare_per_s.toFixed(0),
      door_per_s.toFixed(0),
      ratio.toFixed(2),
    ]),
  );
