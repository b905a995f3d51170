import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { leftoverMark, sweepLedger } from '../../../node-agent/process/ledger.ts';
import { spawnTool } from '../../../node-agent/process/spawn.ts';
import { identify } from '../../../protocol/daemon/process-identity.ts';
import { root } from '../../support/built.ts';
import { readPids, runs } from '../../support/running.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { waitFor } from '../../support/wait.ts';

const PATH = process.env['PATH'] ?? '';

/** A session that is nobody's tool: it ends with the test, and its leader with a line on its stdin. */
function session(code: string): { pid: number; line: () => Promise<string>; end: () => Promise<void> } {
  const child = spawn('/bin/sh', ['-c', code], {
    detached: true,
    stdio: ['pipe', 'pipe', 'ignore'],
    env: { PATH },
  });
  const exited = once(child, 'exit');
  const { pid } = child;
  if (pid === undefined) throw new Error('it did not start');
  onTestFinished(() => {
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // It has gone already.
    }
  });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  return {
    pid,
    line: () => waitFor(() => text.includes('\n') && text.trim()),
    async end() {
      child.stdin.end('\n');
      await exited;
    },
  };
}

const file = (state_dir: string, pid: number): string => join(state_dir, 'processes', String(pid));

/** Writes down a group as a life that was killed has left it. */
async function leave(state_dir: string, pid: number, over: Record<string, unknown> = {}): Promise<void> {
  const tool = await spawnTool({
    file: '/bin/cat',
    args: [],
    cwd: root,
    env: { PATH, ...leftoverMark('one', state_dir) },
  });
  const line: unknown = JSON.parse(await readFile(file(state_dir, tool.pid), 'utf8'));
  await tool.stop(0);
  await mkdir(join(state_dir, 'processes'), { recursive: true });
  await writeFile(file(state_dir, pid), JSON.stringify({ ...(line as object), pgid: pid, ...over }));
}

/** When a process began, as the ledger has it. */
async function startOf(pid: number): Promise<string> {
  return (await identify(pid)) ?? '';
}

it('a tool is written down as long as it lives, and taken off when all of it has gone', async () => {
  const state_dir = await temporaryDirectory();
  const tool = await spawnTool({
    file: '/bin/cat',
    args: [],
    cwd: root,
    env: { PATH, ...leftoverMark('one', state_dir) },
  });
  expect(JSON.parse(await readFile(file(state_dir, tool.pid), 'utf8'))).toMatchObject({
    pgid: tool.pid,
    agent_id: 'one',
    process_start: await startOf(tool.pid),
  });
  tool.stdin.end();
  await tool.ended;
  expect(await readdir(join(state_dir, 'processes'))).toEqual([]);
});

it('what an earlier life has written down is ended, whatever its name, its place and its environment', async () => {
  const state_dir = await temporaryDirectory();
  const { pid, line } = session('exec /bin/sh -c "echo up; exec sleep 600"');
  await line();
  await leave(state_dir, pid, { process_start: await startOf(pid) });
  expect(await sweepLedger(state_dir)).toEqual({ stopped: 1, not_killed: [] });
  expect(runs(pid)).toBe(false);
  expect(await readdir(join(state_dir, 'processes'))).toEqual([]);
});

it('a group whose leader has died is ended with all that is left of it', async () => {
  const state_dir = await temporaryDirectory();
  const leader = session('sleep 600 >/dev/null & echo $!; read line');
  const member = Number(await leader.line());
  await leave(state_dir, leader.pid, { process_start: await startOf(leader.pid) });
  await leader.end();
  expect(runs(member)).toBe(true);
  expect(await sweepLedger(state_dir)).toEqual({ stopped: 1, not_killed: [] });
  await waitFor(() => !runs(member));
});

it('a process that got the number of a dead one is left alone', async () => {
  const state_dir = await temporaryDirectory();
  const other = session('echo up; exec sleep 600');
  await other.line();
  await leave(state_dir, other.pid, { process_start: `${await startOf(other.pid)}9` });
  expect(await sweepLedger(state_dir)).toEqual({ stopped: 0, not_killed: [] });
  expect(runs(other.pid)).toBe(true);
  expect(await readdir(join(state_dir, 'processes'))).toEqual([]);
});

it.each<[string, Record<string, unknown>]>([
  ['of another boot or container', { space: 'another' }],
  ['begun after what is left of the group', { process_start: 'boot/99999999999999' }],
])('a group without its leader is left alone when it was %s', async (_what, over) => {
  const state_dir = await temporaryDirectory();
  const leader = session('sleep 600 >/dev/null & echo $!; read line');
  const member = Number(await leader.line());
  await leave(state_dir, leader.pid, { process_start: await startOf(leader.pid), ...over });
  await leader.end();
  expect(await sweepLedger(state_dir)).toEqual({ stopped: 0, not_killed: [] });
  expect(runs(member)).toBe(true);
});

it('lines that say nothing are removed, and no ledger is nothing to do', async () => {
  const state_dir = await temporaryDirectory();
  expect(await sweepLedger(state_dir)).toEqual({ stopped: 0, not_killed: [] });
  await mkdir(join(state_dir, 'processes'));
  await writeFile(file(state_dir, process.pid), '{"pgid":');
  await writeFile(join(state_dir, 'processes', '1'), '{"pgid":1,"process_start":"x","agent_id":"one"}');
  expect(await sweepLedger(state_dir)).toEqual({ stopped: 0, not_killed: [] });
  expect(await readdir(join(state_dir, 'processes'))).toEqual([]);
});

it('a tool whose start cannot be written down does not run', async () => {
  const state_dir = await temporaryDirectory();
  const pids = join(state_dir, 'pids');
  await writeFile(join(state_dir, 'processes'), 'in the way');
  const start = spawnTool({
    file: '/bin/sh',
    args: ['-c', `echo $$ > ${pids}; exec sleep 600`],
    cwd: root,
    env: { PATH, ...leftoverMark('one', state_dir) },
  });
  await expect(start).rejects.toMatchObject({ code: 'outbox_full' });
  const started = (await readFile(pids, 'utf8').catch(() => '')).trim();
  if (started !== '') expect(runs(Number(started))).toBe(false);
});

it('what a tool has let go ends with it, when it leaves by itself and when it is stopped', async () => {
  const directory = await temporaryDirectory();
  const escaping = (then: string) => `
    const { pid } = require('node:child_process').spawn(process.execPath,
      ['-e', "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000)"], { detached: true, stdio: 'ignore' });
    require('node:fs').writeFileSync(process.argv[1], pid + '\\n'); ${then}`;
  const start = async (name: string, then: string) => {
    const pids = join(directory, name);
    const args = ['-e', escaping(then), pids];
    const tool = await spawnTool({ file: process.execPath, args, cwd: root, env: { PATH } });
    const [stray = 0] = await readPids(pids);
    return { tool, stray };
  };
  const leaving = await start('leaving', 'process.exit(0)');
  await leaving.tool.ended;
  expect(runs(leaving.stray)).toBe(false);
  const stopped = await start('stopped', 'setInterval(() => {}, 1000)');
  const other = await start('other', 'setInterval(() => {}, 1000)');
  onTestFinished(() => other.tool.stop(0));
  await stopped.tool.stop();
  expect(runs(stopped.stray)).toBe(false);
  expect(runs(other.stray)).toBe(true);
});
