/** `npm run bench -- <name> [options]`. Each benchmark holds ours against its limit, measured in the same run. */
import { CcliError, ERRORS, toErrorBody } from '../../protocol/errors.ts';
import type { Benchmark } from './benchmark.ts';
import { doors } from './doors/doors.ts';
import { isolation } from './isolation/isolation.ts';
import { overhead } from './overhead/overhead.ts';
import { ssh } from './ssh/ssh.ts';

const BENCHMARKS: ReadonlyMap<string, Benchmark> = new Map([
  ['overhead', overhead],
  ['isolation', isolation],
  ['doors', doors],
  ['ssh', ssh],
]);

const interrupted = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(name, () => {
    interrupted.abort(new CcliError('cancelled', 'Interrupted; everything it had started is stopped.'));
  });

process.exitCode = await main(process.argv.slice(2));

async function main([name, ...args]: readonly string[]): Promise<number> {
  if (name === undefined) {
    process.stdout.write(`usage: npm run bench -- <name> [options]\n${list()}`);
    return 0;
  }
  const benchmark = BENCHMARKS.get(name);
  if (benchmark === undefined) {
    process.stderr.write(`No benchmark is called "${name}". There are:\n${list()}`);
    return ERRORS.invalid_request.exit;
  }
  try {
    await benchmark.run(args, {
      signal: interrupted.signal,
      print: text => process.stdout.write(text),
      say: text => process.stderr.write(`${text}\n`),
    });
    return 0;
  } catch (error) {
    // What an interrupted measurement fails with is a consequence.
    const { code, message, cause } = toErrorBody(
      interrupted.signal.aborted ? interrupted.signal.reason : error,
    );
    process.stderr.write(`${name}: ${code}: ${message}${cause === undefined ? '' : ` (${cause})`}\n`);
    return ERRORS[code].exit;
  }
}

function list(): string {
  return [...BENCHMARKS].map(([name, { about }]) => `  ${name.padEnd(12)}${about}\n`).join('');
}
