/** The unit files as systemd itself judges them, without running it. */
import { execFile } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { findOnPath } from '../../coordinator/embedded/executable.ts';
import { root } from '../support/built.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const run = promisify(execFile);
const folder = join(root, 'deploy', 'systemd');
const analyze = await findOnPath('systemd-analyze', process.env);
const skip = analyze === undefined;

const DAEMONS = ['ccli-node-agent@.service', 'ccli-coordinator.service'];
const SYSTEM_UNITS = [...DAEMONS, 'ccli-nats-server.service'];
const USER_UNIT = 'user/ccli-node-agent.service';
const MOST_EXPOSED = 2.0;

/** All values of each setting, by its name. */
async function settings(unit: string): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  for (const [, name = '', value = ''] of (await readFile(join(folder, unit), 'utf8')).matchAll(
    /^(\w+)=(.*)$/gm,
  ))
    found.set(name, [...(found.get(name) ?? []), value]);
  return found;
}

describe.each(SYSTEM_UNITS)('%s', unit => {
  test('systemd finds nothing to say against it', async context => {
    if (skip) context.skip('needs systemd-analyze: units are checked with it');
    // It ends with 0 over much that is wrong; what it prints tells.
    expect(await run('systemd-analyze', ['verify', join(folder, unit)])).toEqual({ stdout: '', stderr: '' });
  });

  test('is as little exposed as it is meant to be', async context => {
    if (skip) context.skip('needs systemd-analyze: units are checked with it');
    const { stdout } = await run('systemd-analyze', [
      'security',
      '--offline=yes',
      '--no-pager',
      join(folder, unit),
    ]);
    const level = /Overall exposure level for \S+: ([\d.]+)/.exec(stdout)?.[1];
    expect(Number(level)).toBeGreaterThan(0);
    expect(Number(level)).toBeLessThanOrEqual(MOST_EXPOSED);
  });

  test('leaves no core file, which would hold prompts and keys', async () => {
    expect((await settings(unit)).get('LimitCORE')).toEqual(['0']);
  });
});

describe.each([...DAEMONS, USER_UNIT])('%s', unit => {
  test('is watched, stopped gently, and not started again with a configuration that is wrong', async () => {
    const found = await settings(unit);
    expect(Object.fromEntries(found)).toMatchObject({
      Type: ['notify'],
      NotifyAccess: ['all'],
      Restart: ['on-failure'],
      RestartPreventExitStatus: ['2'],
      KillMode: ['mixed'],
    });
    expect(found.has('WatchdogSec')).toBe(true);
    // V8 compiles at run time.
    expect(found.has('MemoryDenyWriteExecute')).toBe(false);
  });
});

test('the node-agent has longer to stop than its tasks have to finish', async () => {
  const { loadNodeConfig } = await import('../../node-agent/config.ts');
  const [stop = ''] = (await settings('ccli-node-agent@.service')).get('TimeoutStopSec') ?? [];
  expect(Number.parseInt(stop, 10) * 1_000).toBeGreaterThan(2 * loadNodeConfig(undefined, {}).drain_timeout);
});

test('systemd finds nothing to say against the unit of a user', async context => {
  if (skip) context.skip('needs systemd-analyze: units are checked with it');
  const home = await temporaryDirectory();
  await mkdir(join(home, '.local/bin'), { recursive: true });
  await writeFile(join(home, '.local/bin/ccli'), '#!/bin/sh\n');
  await chmod(join(home, '.local/bin/ccli'), 0o755);
  const env = { ...process.env, HOME: home, XDG_RUNTIME_DIR: home };
  const checked = await run('systemd-analyze', ['verify', '--user', join(folder, USER_UNIT)], { env });
  expect(checked).toEqual({ stdout: '', stderr: '' });
});

test('systemd finds nothing to say against the drop-ins that it is new enough for', async context => {
  if (skip) context.skip('needs systemd-analyze: units are checked with it');
  const { stdout } = await run('systemd-analyze', ['--version']);
  const version = Number(/^systemd (\d+)/.exec(stdout)?.[1]);
  const names = (await readdir(join(folder, 'drop-ins'))).filter(
    name => version >= 254 || name !== 'backoff.conf',
  );
  const directory = await temporaryDirectory();
  const unit = join(directory, 'ccli-node-agent@.service');
  await writeFile(unit, await readFile(join(folder, 'ccli-node-agent@.service')));
  await mkdir(`${unit}.d`);
  for (const name of names)
    await writeFile(join(`${unit}.d`, name), await readFile(join(folder, 'drop-ins', name)));
  expect(names).toContain('gpu.conf');
  expect(await run('systemd-analyze', ['verify', unit])).toEqual({ stdout: '', stderr: '' });
});

test('what systemd 254 brought is in a drop-in alone', async () => {
  for (const unit of [...SYSTEM_UNITS, USER_UNIT]) {
    const found = await settings(unit);
    for (const name of ['RestartSteps', 'RestartMaxDelaySec', 'ImportCredential'])
      expect(found.has(name)).toBe(false);
  }
  expect(await readFile(join(folder, 'drop-ins/backoff.conf'), 'utf8')).toContain('RestartSteps=');
});

test('the users and directories that the units need are described', async () => {
  const users = await readFile(join(root, 'deploy/sysusers.d/ccli.conf'), 'utf8');
  for (const unit of ['ccli-coordinator.service', 'ccli-nats-server.service']) {
    const found = await settings(unit);
    expect(users).toMatch(
      new RegExp(
        `^u\\s+${found.get('User')?.[0] ?? '?'}\\s.*/var/lib/${found.get('StateDirectory')?.[0] ?? '?'}\\s`,
        'm',
      ),
    );
  }
  const directories = await readFile(join(root, 'deploy/tmpfiles.d/ccli.conf'), 'utf8');
  expect(directories).toMatch(/^d\s+\/etc\/ccli\/credentials\s+0700\s+root\s+root/m);
});
