import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { built } from '../../support/built.ts';
import { startNats, type TestNats } from '../../support/nats-server.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
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
async function ccli(
  argv: readonly string[],
  script: Script,
  { stdin = 'ignore', stdout = 'pipe' }: { stdin?: number | 'ignore'; stdout?: number | 'pipe' } = {},
) {
  fleets += 1;
  const prefix = `main${fleets}`;
  const coordinator = await startScriptedCoordinator({ url: nats.url, prefix, script });
  onTestFinished(() => coordinator.stop());
  const child = spawn(process.execPath, [built('coordinator/cli/main.ts'), ...argv], {
    stdio: [stdin, stdout, 'pipe'],
    env: { ...process.env, CCLI_NATS_URL: nats.url, CCLI_PREFIX: prefix },
  });
  const closed = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
  let err = '';
  child.stderr?.on('data', (part: Buffer) => (err += part.toString()));
  return { child, coordinator, closed, err: () => err };
}

const echo: Script = task => {
  task.complete(`you said: ${task.prompt}`);
};

describe('the ccli process', () => {
  test('prints the answer and exits 0', async () => {
    const { child, closed } = await ccli(['run', '-q', 'hi'], task => {
      task.complete(`you said: ${task.prompt}`);
    });
    let out = '';
    child.stdout?.on('data', (part: Buffer) => (out += part.toString()));
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
    child.stdout?.once('data', () => child.stdout?.destroy());
    expect(await closed).toEqual([0, null]);
    expect(err()).toBe('');
  });

  test.runIf(existsSync('/dev/full')).each([
    ['run', ['run']],
    ['run --json', ['run', '--json']],
    ['submit', ['submit']],
  ])('%s: an answer that could not be written is a failure', async (_, command) => {
    const full = await open('/dev/full', 'w');
    onTestFinished(() => full.close());
    const script: Script = task => {
      task.complete(`you said: ${task.prompt}`);
    };
    const { closed, err } = await ccli([...command, 'hi'], script, { stdout: full.fd });
    expect(await closed).toEqual([1, null]);
    expect(err().match(/error /g)).toHaveLength(1);
    expect(err()).toContain('error output_failed: The answer could not be written');
    expect(err()).not.toContain('done in');
  });

  async function fileOnStdin(text: string, position = 0): Promise<number> {
    const path = join(await temporaryDirectory(), 'trace.txt');
    await writeFile(path, text);
    const file = await open(path);
    onTestFinished(() => file.close());
    if (position > 0) await file.read(Buffer.alloc(position), 0, position);
    return file.fd;
  }

  test('"-" behind a prompt adds the file on stdin; without it the file is not passed over', async () => {
    const both = await ccli(['run', '-q', 'Explain', '-'], echo, { stdin: await fileOnStdin('a trace\n') });
    expect(await both.closed).toEqual([0, null]);
    expect([...both.coordinator.prompts.values()]).toEqual(['Explain\n\na trace\n']);
    const alone = await ccli(['run', '-q', 'Explain'], echo, { stdin: await fileOnStdin('a trace\n') });
    expect(await alone.closed).toEqual([2, null]);
    expect(alone.err()).toContain('error invalid_request: ');
    expect(alone.err()).toContain('Add "-" behind the prompt');
  });

  test.runIf(existsSync('/proc/self/fdinfo'))(
    'a file that a loop has begun to read is left to it',
    async () => {
      const stdin = await fileOnStdin('one\ntwo\n', 4);
      const { closed } = await ccli(['run', '-q', 'Explain'], echo, { stdin });
      expect(await closed).toEqual([0, null]);
    },
  );

  test('a mistake on the command line exits 2', async () => {
    const { closed } = await ccli(['run', '--nonsense'], () => undefined);
    expect(await closed).toEqual([2, null]);
  });
});
