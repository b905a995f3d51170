/** Once before all tests: compile, and have the real tools at hand. Once after: look for what was left behind. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findNatsServer } from '../coordinator/embedded/nats-server.ts';
import { root } from './support/built.ts';
import { startLeakCheck } from './support/leaks.ts';
import { fetchNatsCli } from './support/nats-cli.ts';
import { nodeBuild } from './support/node-builds.ts';

/** What the fleet's hosts run; fetched here, so that no test waits for it. */
const NODE_VERSIONS = ['22.14.0', '22.17.0'];

const say = (text: string): void => {
  process.stderr.write(`set-up: ${text}\n`);
};

export default async function setup(): Promise<() => Promise<void>> {
  await compile();
  await findNatsServer({ environment: process.env, onStage: say });
  if ((await fetchNatsCli(say)) === undefined) say('no nats command-line tool and no Go to build it');
  for (const version of NODE_VERSIONS) await nodeBuild(version);
  const leaks = startLeakCheck();
  return async () => {
    const left = await leaks.findAndRemove();
    if (left.length === 0) return;
    process.exitCode = 1;
    throw new Error(`The tests left something behind:\n  ${left.join('\n  ')}`);
  };
}

async function compile(): Promise<void> {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  try {
    await promisify(execFile)(process.execPath, [tsc, '-p', join(root, 'tsconfig.json')]);
  } catch (error) {
    // `npm test` has compiled before and stopped at a type error; a single test may run beside one elsewhere.
    const printed = error instanceof Error && 'stdout' in error ? String(error.stdout) : String(error);
    say(`the compiler complains:\n${printed.slice(0, 2_000)}`);
  }
  const rolldown = join(root, 'node_modules', 'rolldown', 'bin', 'cli.mjs');
  await promisify(execFile)(process.execPath, [rolldown, '-c', '.rolldown.config.mjs'], { cwd: root });
}
