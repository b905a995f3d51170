import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  defaultStateDir,
  readRuntimeFile,
  writeRuntimeFile,
} from '../../../coordinator/embedded/runtime-file.ts';
import { takeStateDirectory } from '../../../coordinator/embedded/state-directory.ts';
import { identify } from '../../../protocol/daemon/process-identity.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const take = (path: string, stages: string[] = []) =>
  takeStateDirectory(path, { onStage: text => stages.push(text) });

/** A process in a group of its own that ends when told. */
async function sleeper(script = 'setInterval(() => {}, 1000)') {
  const child = spawn(process.execPath, ['-e', `${script}; console.log('up')`], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  onTestFinished(async () => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  });
  await once(child.stdout, 'data');
  if (child.pid === undefined) throw new Error('the process did not start');
  return { child, pid: child.pid, process_start: (await identify(child.pid)) ?? '' };
}

/** The lock of a holder that was killed. */
async function staleLock(path: string, over: Record<string, unknown> = {}) {
  const lock = { pid: process.pid, process_start: 'before this process', id: 'old', children: [], ...over };
  await writeFile(join(path, 'fleet.lock.1'), JSON.stringify(lock));
}

describe('a state directory', () => {
  test('is made, taken, and left as it was found', async () => {
    const path = join(await temporaryDirectory(), 'deep', 'state');
    const state = await take(path);
    expect(await readdir(path)).toEqual(['fleet.lock.1']);
    await state.release();
    expect(await readdir(path)).toEqual([]);
  });

  test('is refused to a second fleet, with the process that holds it and how to talk to it', async () => {
    const path = await temporaryDirectory();
    const state = await take(path);
    await expect(take(path)).rejects.toMatchObject({
      code: 'state_in_use',
      message: expect.stringMatching(new RegExp(`${process.pid}.*ccli run --state ${path}`, 's')) as string,
    });
    await state.release();
    await (await take(path)).release();
  });

  test('goes to exactly one of many that want it at once, also over a stale lock', async () => {
    const path = await temporaryDirectory();
    await staleLock(path);
    const results = await Promise.allSettled(Array.from({ length: 20 }, () => take(path)));
    const taken = results.filter(result => result.status === 'fulfilled');
    expect(taken).toHaveLength(1);
    await taken[0]?.value.release();
    expect(await readdir(path)).toEqual([]);
  });

  test('is taken over from a holder that is gone, though another process has its id now', async () => {
    const path = await temporaryDirectory();
    await staleLock(path);
    await (await take(path)).release();
  });

  test('is taken over when its lock was cut short by a crash', async () => {
    const path = await temporaryDirectory();
    await writeFile(join(path, 'fleet.lock.1'), '{"pid":');
    await (await take(path)).release();
  });

  test('is taken over only once the children of a killed holder are gone', async () => {
    const path = await temporaryDirectory();
    const { child, pid, process_start } = await sleeper();
    await staleLock(path, { children: [{ pid, process_start }] });
    const stages: string[] = [];
    const taking = takeStateDirectory(path, {
      onStage: text => {
        stages.push(text);
        child.kill();
      },
    });
    const state = await taking;
    expect(await identify(pid)).toBeUndefined();
    expect(stages).toEqual(['waiting for the end of a fleet that was killed']);
    await state.release();
  });

  test('a process that got the id of such a child is left alone', async () => {
    const path = await temporaryDirectory();
    const { child, pid } = await sleeper();
    await staleLock(path, { children: [{ pid, process_start: 'long ago' }] });
    await (await take(path)).release();
    expect(child.exitCode ?? child.signalCode).toBeNull();
  });

  test.runIf(existsSync('/proc/self'))('under /proc is refused instead of tried for ever', async () => {
    await expect(take('/proc/no-such/state')).rejects.toMatchObject({ code: 'config_invalid' });
  });

  test('is made with its parents, for its owner alone', async () => {
    const path = join(await temporaryDirectory(), 'a', 'b');
    await (await take(path)).release();
    expect((await stat(path)).mode & 0o777).toBe(0o700);
  });

  test('that cannot be made is an error that names it', async () => {
    const file = join(await temporaryDirectory(), 'file');
    await writeFile(file, '');
    await expect(take(join(file, 'state'))).rejects.toMatchObject({
      code: 'config_invalid',
      message: expect.stringContaining(file) as string,
    });
  });
});

describe('the runtime file', () => {
  const fleet = { nats_url: 'nats://127.0.0.1:4222', prefix: 'ccli', node: 'here' };

  test('tells where a fleet is, to its owner alone', async () => {
    const path = await temporaryDirectory();
    await writeRuntimeFile(path, fleet);
    expect(await readRuntimeFile(path)).toMatchObject({ ...fleet, pid: process.pid });
  });

  test('of a fleet that was killed counts as none', async () => {
    const path = await temporaryDirectory();
    await writeRuntimeFile(path, fleet);
    const file = join(path, 'fleet.json');
    const written = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
    await writeFile(file, JSON.stringify({ ...written, process_start: 'before' }));
    expect(await readRuntimeFile(path)).toBeUndefined();
    await writeFile(file, 'nonsense');
    expect(await readRuntimeFile(path)).toBeUndefined();
  });

  test('is in the XDG state directory unless told otherwise', () => {
    expect(defaultStateDir({ HOME: '/home/u' })).toBe('/home/u/.local/state/ccli');
    expect(defaultStateDir({ HOME: '/home/u', XDG_STATE_HOME: '/s' })).toBe('/s/ccli');
    expect(defaultStateDir({ HOME: '/home/u', XDG_STATE_HOME: 'relative' })).toBe(
      '/home/u/.local/state/ccli',
    );
  });
});
