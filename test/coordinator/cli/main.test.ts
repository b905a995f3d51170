import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { built } from '../../support/built.ts';
import { startNats, type TestNats } from '../../support/nats-server.ts';
import { waitFor } from '../../support/wait.ts';
import { type Script, startScriptedCoordinator } from './support/scripted-coordinator.ts';

let nats: TestNats;
let fleets = 0;

beforeAll(async () => {
  nats = await startNats();
});
afterAll(async () => {
  await nats.stop();
});

/** The compiled command as a process, in a fleet of its own. */
async function ccli(argv: readonly string[], script: Script) {
  fleets += 1;
  const prefix = `main${fleets}`;
  const coordinator = await startScriptedCoordinator({ url: nats.url, prefix, script });
  onTestFinished(() => coordinator.stop());
  const child = spawn(process.execPath, [built('coordinator/cli/main.ts'), ...argv], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, CCLI_NATS_URL: nats.url, CCLI_PREFIX: prefix },
  });
  const closed = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
  let err = '';
  child.stderr.on('data', (part: Buffer) => (err += part.toString()));
  return { child, coordinator, closed, err: () => err };
}

describe('the ccli process', () => {
  test('prints the answer and exits 0', async () => {
    const { child, closed } = await ccli(['run', '-q', 'hi'], task => {
      task.complete(`you said: ${task.prompt}`);
    });
    let out = '';
    child.stdout.on('data', (part: Buffer) => (out += part.toString()));
    expect(await closed).toEqual([0, null]);
    expect(out).toBe('you said: hi');
  });

  test.each(['SIGINT', 'SIGTERM'] as const)('%s cancels its task and exits 130', async signal => {
    const { child, closed, err, coordinator } = await ccli(['run', 'hi'], task => {
      task.start();
    });
    await waitFor(() => err().includes('running on'));
    child.kill(signal);
    expect(await closed).toEqual([130, null]);
    expect([...coordinator.tasks.values()].map(({ status }) => status)).toEqual(['cancelled']);
  });

  test('a reader that leaves early ends it without a word', async () => {
    const { child, closed, err } = await ccli(['run', '-q', 'hi'], task => {
      task.complete('y\n'.repeat(1_000_000));
    });
    child.stdout.once('data', () => child.stdout.destroy());
    expect(await closed).toEqual([0, null]);
    expect(err()).toBe('');
  });

  test('a mistake on the command line exits 2', async () => {
    const { closed } = await ccli(['run', '--nonsense'], () => undefined);
    expect(await closed).toEqual([2, null]);
  });
});
