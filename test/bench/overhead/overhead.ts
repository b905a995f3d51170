/** What ccli costs over the tool itself: a warm and a cold prompt, ours beside the same CLI without us. */
import { createLifecycle } from '../../../protocol/daemon/lifecycle.ts';
import { errorFields } from '../../../protocol/daemon/log.ts';
import type { Benchmark, BenchmarkIo } from '../benchmark.ts';
import { currentLoad, describeMachine, renderMachine } from '../machine.ts';
import { measurePairs, type Pair } from '../pairs.ts';
import { compare, type Row, renderRows } from '../rows.ts';
import { runByHand } from './by-hand.ts';
import { startDirect } from './direct.ts';
import { type BenchFleet, COLD, startFleet, WARM } from './fleet.ts';
import { type OverheadOptions, readOptions } from './options.ts';
import { runOurs } from './ours.ts';
import { measureStages, renderStages } from './stages.ts';
import type { Timing } from './timing.ts';

const ALLOWED_MS = { warm: 25, cold: 60 };
const WARM_UP = { warm: 5, cold: 1 };
/** Longer than a CLI takes to make the session that the last prompt used up. */
const PAUSE_MS = 250;
const STAGE_RUNS = 20;

export const overhead: Benchmark = {
  about: 'a warm and a cold gemini prompt through a fleet, over the same CLI driven without it',
  async run(args, io) {
    const options = readOptions(args);
    const load_1m = currentLoad();
    const lifecycle = createLifecycle({
      onError: (error, what) => {
        io.say(`${what}: ${JSON.stringify(errorFields(error))}`);
      },
    });
    try {
      const max_sessions = options.pairs + WARM_UP.warm + STAGE_RUNS + 10;
      const fleet = await startFleet({ ...io, lifecycle, max_sessions });
      const rows = [
        ...(await warmRows(fleet, options, { ...io, lifecycle })),
        ...(await coldRows(fleet, options, io)),
      ];
      const stages = options.stages
        ? await measureStages(fleet, { runs: STAGE_RUNS, pause_ms: PAUSE_MS, ...io })
        : undefined;
      const machine = describeMachine(fleet.versions, load_1m);
      if (options.json)
        io.print(`${JSON.stringify({ machine, rows, ...(stages !== undefined && { stages }) })}\n`);
      else {
        io.print(`\n${renderRows(rows)}\n`);
        if (stages !== undefined) io.print(`${renderStages(stages)}\n`);
        io.print(renderMachine(machine));
      }
    } finally {
      await lifecycle.stop();
    }
  },
};

type Lifecycle = ReturnType<typeof createLifecycle>;

async function warmRows(
  fleet: BenchFleet,
  { pairs: count }: OverheadOptions,
  { signal, say, lifecycle }: BenchmarkIo & { lifecycle: Lifecycle },
): Promise<Row[]> {
  if (count === 0) return [];
  say(`warm: ${count} pairs`);
  const direct = await startDirect({ launch: fleet.launchOptions(WARM), lifecycle, signal });
  const pairs = await measurePairs<Timing>({
    count,
    warm_up: WARM_UP.warm,
    ours: () => runOurs(fleet.client, WARM, signal),
    limit: () => direct.prompt(),
    pause_ms: PAUSE_MS,
    signal,
  });
  await direct.stop();
  return [
    compare('warm, first chunk', of(pairs, 'first_chunk_ms'), ALLOWED_MS.warm),
    compare('warm, whole answer', of(pairs, 'end_ms'), ALLOWED_MS.warm),
  ];
}

const of = (pairs: readonly Pair<Timing>[], what: keyof Timing): Pair<number>[] =>
  pairs.map(({ ours, limit }) => ({ ours: ours[what], limit: limit[what] }));

async function coldRows(
  fleet: BenchFleet,
  { cold_pairs: count }: OverheadOptions,
  { signal, say }: BenchmarkIo,
): Promise<Row[]> {
  if (count === 0) return [];
  say(`cold: ${count} pairs`);
  const pairs = await measurePairs({
    count,
    warm_up: WARM_UP.cold,
    ours: async () => (await runOurs(fleet.client, COLD, signal)).end_ms,
    limit: () => runByHand(fleet.launchOptions(COLD), signal),
    pause_ms: PAUSE_MS,
    signal,
  });
  return [compare('cold, whole answer', pairs, ALLOWED_MS.cold)];
}
