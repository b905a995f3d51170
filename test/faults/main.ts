/** `npm run test:faults -- [--tasks N] [--minutes N] [--seed N] [--short] [--keep]` */
import { setMaxListeners } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readOptions } from './options.ts';
import { holds, render } from './report.ts';
import { run } from './run.ts';

const interrupted = new AbortController();
// Every task waits on it.
setMaxListeners(0, interrupted.signal);
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(name, () => {
    interrupted.abort(new Error('interrupted'));
  });

const options = readOptions(process.argv.slice(2));
const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};
say(`seed ${options.seed}: ${options.tasks} tasks in ${options.storm_ms / 1_000} s`);
const directory = await mkdtemp(join(tmpdir(), 'ccli-faults-'));
let good = false;
try {
  const verdict = await run(directory, options, { say, signal: interrupted.signal });
  say(`\n${render(verdict)}`);
  good = holds(verdict);
} catch (error) {
  say(error instanceof Error ? (error.stack ?? error.message) : String(error));
}
if (good && !options.keep) await rm(directory, { recursive: true, force: true, maxRetries: 5 });
else say(`logs, stores and the tools' own log are in ${directory}`);
say(good ? 'everything holds' : `something does not hold; again with --seed ${options.seed}`);
process.exit(good ? 0 : 1);
