/** `ccli` on a host with a node-agent alone, and the whole of it handing the same on. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { stringify } from 'yaml';
import { lockHolder } from '../../protocol/daemon/lock.ts';
import { VERSION } from '../../protocol/daemon/version.ts';
import { built } from '../support/built.ts';
import { plainEnvironment } from '../support/plain-environment.ts';
import { runs } from '../support/running.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { waitFor } from '../support/wait.ts';

const PROGRAM = built('node-agent/program.ts');
const WHOLE = built('coordinator/cli/main.ts');

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function ccli(
  program: string,
  args: readonly string[],
  { home, stdin = '' }: { home?: string; stdin?: string } = {},
): Promise<Outcome> {
  const child = spawn(process.execPath, [program, ...args], {
    env: { ...plainEnvironment(), ...(home !== undefined && { HOME: home }) },
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  child.stdin.end(stdin);
  await once(child, 'close');
  return { code: child.exitCode, stdout, stderr };
}

/** A home whose own configuration names a node; whatever stands in for it ends with the test. */
async function homeWithNode(node: string) {
  const home = await temporaryDirectory();
  const state_dir = join(home, 'state');
  await mkdir(join(home, '.config', 'ccli'), { recursive: true });
  await writeFile(
    join(home, '.config', 'ccli', 'node-agent.yaml'),
    stringify({ node, state_dir, nats: { url: 'nats://127.0.0.1:9' } }),
  );
  onTestFinished(async () => {
    const pid = (await lockHolder(state_dir, 'node-agent').catch(() => undefined))?.pid;
    if (pid === undefined) return;
    process.kill(pid, 'SIGTERM');
    await waitFor(() => !runs(pid));
  });
  return { home, state_dir };
}

const STATUS = `${JSON.stringify({ kind: 'request', v: 1, id: 1, verb: 'status', body: {} })}\n`;

test('it tells its version, and how it is used', async () => {
  expect(await ccli(PROGRAM, ['--version'])).toMatchObject({ code: 0, stdout: `${VERSION}\n` });
  expect((await ccli(PROGRAM, ['--help'])).stdout).toContain('ccli node-agent exec --stdio');
  for (const args of [['run', 'hello'], ['node-agent', 'exec'], ['node-agent', 'check', '--loud'], []]) {
    const outcome = await ccli(PROGRAM, args);
    expect(outcome).toMatchObject({ code: 2, stdout: '' });
    expect(outcome.stderr).toMatch(/^error invalid_request: /);
  }
});

test.each([
  ['the program of a node', PROGRAM],
  ['the whole of ccli', WHOLE],
])('%s takes the configuration of the home it is in, and speaks for its node', async (_name, program) => {
  const { home } = await homeWithNode('oak');
  const { code, stdout } = await ccli(program, ['node-agent', 'exec', '--stdio'], { home, stdin: STATUS });
  expect(code).toBe(0);
  expect(stdout).toContain('"kind":"hello","v":1,"node":"oak"');
  expect(stdout).toContain('"kind":"reply","v":1,"id":1');
});

test.each([
  ['the program of a node', PROGRAM],
  ['the whole of ccli', WHOLE],
])('%s runs the daemon, which a line reaches', async (_name, program) => {
  const { home, state_dir } = await homeWithNode('oak');
  const daemon = spawn(process.execPath, [program, 'node-agent'], {
    stdio: 'ignore',
    env: { ...plainEnvironment(), HOME: home },
  });
  onTestFinished(() => {
    daemon.kill('SIGKILL');
  });
  await waitFor(async () => (await lockHolder(state_dir, 'node-agent')) !== undefined);
  const { stdout } = await ccli(PROGRAM, ['node-agent', 'exec', '--stdio'], { home });
  expect(stdout).toContain('"role":"daemon"');
  daemon.kill('SIGTERM');
  await once(daemon, 'exit');
  expect(daemon.exitCode).toBe(0);
});

test('what stands in belongs to no session of whoever came', async () => {
  const { home, state_dir } = await homeWithNode('oak');
  await ccli(PROGRAM, ['node-agent', 'exec', '--stdio'], { home });
  const pid = (await lockHolder(state_dir, 'node-agent'))?.pid;
  const { stdout } = await promisify(execFile)('ps', ['-o', 'sid=,pgid=,tty=', '-p', String(pid)]);
  expect(stdout.trim().split(/\s+/)).toEqual([String(pid), String(pid), '?']);
  expect(await readFile(join(state_dir, 'stand-in.log'), 'utf8')).toContain('"event":"standing_in"');
});

test('what was to stand in on a host that has been cleared meanwhile leaves nothing there', async () => {
  const { home, state_dir } = await homeWithNode('oak');
  const { code, stderr } = await ccli(PROGRAM, ['node-agent', 'stand-in'], { home });
  expect(code).toBe(4);
  expect(stderr).toMatch(/^error start_failed: .*not there any more/);
  expect(existsSync(state_dir)).toBe(false);
});
