import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { groupRuns } from '../../../node-agent/process/group.ts';
import { leftoverMark, recordGroup } from '../../../node-agent/process/ledger.ts';
import { clearLeftovers } from '../../../node-agent/process/leftovers.ts';
import { stopStrays, strayMark } from '../../../node-agent/process/strays.ts';
import { stopGroup } from '../../../node-agent/process/terminate.ts';
import { createLog } from '../../../protocol/daemon/log.ts';
import { identify, processSpace } from '../../../protocol/daemon/process-identity.ts';
import { readPids, runs } from '../../support/running.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

/** Two users that may not signal each other, which only root can become. */
const SENDER = 65_534;
const OWNER = 65_533;
const isRoot = process.getuid?.() === 0;

async function asSender<T>(action: () => Promise<T>): Promise<T> {
  process.seteuid?.(SENDER);
  try {
    return await action();
  } finally {
    process.seteuid?.(0);
  }
}

/** A group of another user. */
async function foreignGroup(): Promise<number> {
  const child = spawn('/bin/sleep', ['600'], {
    cwd: '/',
    detached: true,
    stdio: 'ignore',
    uid: OWNER,
    env: {},
  });
  const exited = once(child, 'exit');
  await once(child, 'spawn');
  const { pid } = child;
  if (pid === undefined) throw new Error('it did not start');
  onTestFinished(async () => {
    process.kill(-pid, 'SIGKILL');
    await exited;
  });
  return pid;
}

it.runIf(isRoot)('a group that no signal ends is given up', async () => {
  const pgid = await foreignGroup();
  await asSender(() => stopGroup(pgid, 20, 50));
  expect(groupRuns(pgid)).toBe(true);
});

it.runIf(isRoot)('what cannot be killed is told to the log and left to the next life', async () => {
  const state_dir = await temporaryDirectory();
  const directory = join(state_dir, 'processes');
  const pgid = await foreignGroup();
  const file = join(directory, String(pgid));
  await mkdir(directory);
  const text = await asSender(async () => {
    const group = { pgid, process_start: await identify(pgid), space: await processSpace(), agent_id: 'one' };
    return JSON.stringify(group);
  });
  await writeFile(file, text);
  // The sender must get there, too.
  const above = dirname(state_dir);
  const { mode } = await stat(above);
  await chmod(above, mode | 0o011);
  onTestFinished(() => chmod(above, mode));
  for (const path of [state_dir, directory, file]) await chown(path, SENDER, 0);
  const events: unknown[] = [];
  const log = createLog({
    level: 'info',
    name: 'test',
    to: { write: line => events.push(JSON.parse(line)) },
  });
  await asSender(() => clearLeftovers({ agents: [], state_dir }, log, 50));
  expect(events).toEqual([expect.objectContaining({ event: 'process_not_killed', pgid })]);
  expect(runs(pgid)).toBe(true);
  expect(await readFile(file, 'utf8')).toBe(text);
});

it('the line of a group that still runs is not taken off', async () => {
  const state_dir = await temporaryDirectory();
  const child = spawn('/bin/cat', { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
  const exited = once(child, 'exit');
  onTestFinished(async () => {
    child.stdin.end();
    await exited;
  });
  await once(child, 'spawn');
  const forget = await recordGroup(leftoverMark('one', state_dir), child.pid ?? 0);
  await forget();
  expect(await readdir(join(state_dir, 'processes'))).toEqual([String(child.pid)]);
  child.stdin.end();
  await exited;
  await forget();
  expect(await readdir(join(state_dir, 'processes'))).toEqual([]);
});

it('a stray that starts itself anew whenever it is asked to end is given up', async () => {
  const pids = join(await temporaryDirectory(), 'pids');
  const mark = strayMark();
  const code = `
    const again = () => require('node:child_process').spawn(process.execPath, ['-e', process.env.CODE, process.argv[1]],
      { detached: true, stdio: 'ignore' });
    process.on('SIGTERM', () => { again(); process.exit(0); });
    require('node:fs').writeFileSync(process.argv[1], process.pid + '\\n'); setInterval(() => {}, 1000)`;
  const child = spawn(process.execPath, ['-e', code, pids], {
    detached: true,
    stdio: 'ignore',
    env: { ...mark, CODE: code },
  });
  const [first = 0] = await readPids(pids);
  expect(first).toBe(child.pid);
  const left = await stopStrays(mark, { give_up_ms: 0 });
  onTestFinished(() => {
    for (const pgid of left) process.kill(-pgid, 'SIGKILL');
  });
  expect(left).toHaveLength(1);
  expect(left).not.toContain(first);
  expect(left.filter(groupRuns)).toEqual(left);
});
