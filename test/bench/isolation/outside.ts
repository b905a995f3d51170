/**
 * The limit: the same misbehaving tools beside the fleet, run by a program of a few lines and through no part of ccli,
 * so that what they take from the machine is on both sides. That program is a process of its own, as the node-agent is:
 * reading a flood must not slow the process that holds the clock.
 */
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { spawnGuarded } from '../../../coordinator/embedded/guardian.ts';
import { isProgram } from '../../../protocol/daemon/entry.ts';
import { CcliError } from '../../../protocol/errors.ts';
import { runLoops } from './outside-loops.ts';
import type { Pace } from './pace.ts';
import type { Trouble } from './trouble.ts';

const PROGRAM = fileURLToPath(import.meta.url);

interface OutsideOptions {
  /** What each loop may not be faster than, over many runs. */
  readonly allowed: Pace;
  /** Is told of each run. */
  readonly pace: Pace;
}

export function startOutside({ allowed, pace }: OutsideOptions): Trouble {
  const guarded = spawnGuarded({
    command: process.execPath,
    args: [PROGRAM, JSON.stringify(allowed.mean_ms())],
    environment: {},
    output: 'pipe',
    grace_s: 2,
  });
  if (guarded.stdout === null) throw new CcliError('internal', 'The tools outside have no output to read.');
  let said = '';
  createInterface({ input: guarded.stdout }).on('line', line => {
    const [, agent_id, took_ms] = /^(bench-\w+) ([\d.]+)$/.exec(line) ?? [];
    if (agent_id === undefined) said = `${said}${line}\n`.slice(-2_000);
    else pace.add(agent_id, Number(took_ms));
  });
  let ended = false;
  void guarded.exited.then(() => {
    ended = true;
  });
  return {
    async stop() {
      const early = ended;
      // The tools are in its group.
      await guarded.kill();
      if (early) throw new CcliError('internal', `The tools outside stopped running: ${said}`);
    },
  };
}

if (isProgram(import.meta.url)) {
  runLoops(process.argv[2] ?? '', line => process.stdout.write(`${line}\n`));
}
