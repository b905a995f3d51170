/**
 * What CLI agents that crash, hang, flood and ignore SIGTERM cost the Ollama tasks of their node, beyond what as many tasks
 * of CLI agents cost that are well. What the same tools take from the machine outside of ccli is shown beside it.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { STOP_GRACE_MS } from '../../../node-agent/process/terminate.ts';
import { createLifecycle } from '../../../protocol/daemon/lifecycle.ts';
import { errorFields } from '../../../protocol/daemon/log.ts';
import type { Benchmark } from '../benchmark.ts';
import { currentLoad, describeMachine, renderMachine } from '../machine.ts';
import { type Batch, runBatch } from './batch.ts';
import { startFleet } from './fleet.ts';
import { readOptions } from './options.ts';
import { startOutside } from './outside.ts';
import { createPace, type Pace, renderPaces } from './pace.ts';
import { compare, failures, render, type Sides } from './rows.ts';
import { startTrouble, type Trouble } from './trouble.ts';

/** Until every kind of trouble is at work. */
const ONSET_MS = 1_500;
/** What the slowest kind takes from start to start: the rounds look at different parts of it. */
const CYCLE_MS = 1_000 + STOP_GRACE_MS;

export const isolation: Benchmark = {
  about:
    'Ollama tasks while the CLI agents of their node misbehave, over the same while they do as many tasks well',
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
      const client = await startFleet({ lifecycle, signal, say });
      const [inside, outside, well] = [createPace(), createPace(), createPace()];
      const batch = (): Promise<Batch> => runBatch(client, options.tasks, signal);
      const amid = async (trouble: Trouble, pace: Pace, round: number): Promise<Batch> => {
        try {
          await delay(ONSET_MS + (CYCLE_MS * round) / options.rounds, undefined, { signal });
          return await pace.during(batch);
        } finally {
          await trouble.stop();
        }
      };
      const troubled = (round: number): Promise<Batch> =>
        amid(startTrouble(client, { pace: inside, signal }), inside, round);
      say('warming up');
      await batch();
      // The tools outside are held to the pace of those inside, which has to be known first.
      await troubled(0);
      const sides: Sides = { without: [], outside: [], behaving: [], with: [] };
      for (let round = 0; round < options.rounds; round += 1) {
        say(`round ${round + 1} of ${options.rounds}`);
        sides.without.push(await batch());
        sides.outside.push(await amid(startOutside({ allowed: inside, pace: outside }), outside, round));
        const behaving = startTrouble(client, { allowed: inside, pace: well, signal });
        sides.behaving.push(await amid(behaving, well, round));
        sides.with.push(await troubled(round));
      }
      const rows = compare(sides);
      const failed = {
        without: failures(sides.without),
        outside: failures(sides.outside),
        behaving: failures(sides.behaving),
        with: failures(sides.with),
        of: options.rounds * options.tasks,
      };
      const nats_server = client.connection.info?.version ?? 'unknown';
      const machine = describeMachine({ nats_server, gemini: 'none' }, load_1m);
      const pace_ms = { outside: outside.mean_ms(), behaving: well.mean_ms(), with: inside.mean_ms() };
      if (options.json)
        io.print(`${JSON.stringify({ machine, rows, failed, pace_ms, cli_failures: inside.runs() })}\n`);
      else {
        io.print(`\n${render(rows)}\n`);
        io.print(
          `failed, of ${failed.of}: ${failed.without} without, ${failed.outside} outside, ${failed.behaving} behaving, ${failed.with} with; ` +
            `${inside.runs()} CLI tasks failed meanwhile\n` +
            `ms from one run to the next, outside/behaving/with: ${renderPaces([outside, well, inside])}\n${renderMachine(machine)}`,
        );
      }
    } finally {
      await lifecycle.stop();
    }
  },
};
