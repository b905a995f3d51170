import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { findOnPath } from '../../../coordinator/embedded/executable.ts';
import { resolveHost, resolveRoute } from '../../../coordinator/ssh/resolve.ts';
import { CcliError } from '../../../protocol/errors.ts';
import { readPids, runs } from '../../support/running.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { waitFor } from '../../support/wait.ts';
import { failureOf } from './test-ssh.ts';

async function written(...lines: readonly string[]) {
  const directory = await temporaryDirectory();
  const config_file = join(directory, 'config');
  await writeFile(config_file, lines.join('\n'));
  return {
    settings: { config_file, identity_files: [], known_hosts_files: undefined },
    environment: { PATH: process.env['PATH'], HOME: directory },
    directory,
  };
}

describe('with ssh', () => {
  beforeEach(async ({ skip }) => {
    if ((await findOnPath('ssh', process.env)) === undefined)
      skip('needs ssh: it reads its own configuration');
  });

  test('the configuration of the user decides, with its patterns and includes', async () => {
    const options = await written('Include other', 'Host w*', '  User bob', '  Port 2222');
    await writeFile(join(options.directory, 'other'), 'Host walnut\n  HostName 192.0.2.7\n');
    // Includes are looked for in ~/.ssh by OpenSSH; an absolute one is not.
    await writeFile(
      options.settings.config_file,
      `Include ${join(options.directory, 'other')}\nHost w*\n  User bob\n  Port 2222\n`,
    );
    expect(await resolveHost('walnut', options)).toMatchObject({
      hostname: '192.0.2.7',
      user: 'bob',
      port: 2222,
    });
  });

  test('one that hangs is ended with all that it has started, as soon as nobody waits for it', async () => {
    const options = await written();
    const file = join(options.directory, 'pid');
    await writeFile(
      options.settings.config_file,
      `Match exec "echo $$ >${file}; sleep 600; true"\n  User bob\n`,
    );
    const stop = new AbortController();
    const outcome = failureOf(resolveHost('walnut', { ...options, signal: stop.signal }));
    const [pid = 0] = await readPids(file);
    stop.abort(new CcliError('cancelled'));
    expect((await outcome).code).toBe('cancelled');
    await waitFor(() => !runs(pid), { what: 'its end' });
  });

  test('what stands in the name wins', async () => {
    const options = await written('Host walnut', '  User bob', '  Port 2222', '  HostName nut');
    expect(await resolveHost('ann@walnut:2200', options)).toMatchObject({
      hostname: 'nut',
      user: 'ann',
      port: 2200,
    });
  });

  test('jump hosts come in the order they are passed, each with its own settings', async () => {
    const options = await written(
      'Host inner',
      '  ProxyJump gate,ann@middle:2222',
      'Host gate',
      '  HostName 192.0.2.1',
      '  ProxyJump outer',
      'Host middle',
      '  ProxyJump nowhere',
    );
    const route = await resolveRoute('inner', options);
    expect(route.map(({ name, hostname, port }) => [name, hostname, port])).toEqual([
      ['outer', 'outer', 22],
      ['gate', '192.0.2.1', 22],
      ['ann@middle:2222', 'middle', 2222],
      ['inner', 'inner', 22],
    ]);
  });

  test('jump hosts that go in circles are found', async () => {
    const options = await written('Host a', '  ProxyJump b', 'Host b', '  ProxyJump a');
    const error = await failureOf(resolveRoute('a', options));
    expect(error).toMatchObject({
      code: 'ssh_config_unsupported',
      message: expect.stringContaining('circles') as string,
    });
  });

  test('a configuration that ssh cannot read is quoted', async () => {
    const options = await written('Nonsense yes');
    const error = await failureOf(resolveHost('walnut', options));
    expect(error.code).toBe('ssh_config_unsupported');
    expect(error.message).toContain('nonsense');
  });

  test('a name that looks like an option is none', async () => {
    const options = await written('');
    expect((await failureOf(resolveHost('-V', options))).code).toBe('invalid_request');
  });
});

test('without ssh, a host is reached as OpenSSH would without a configuration', async () => {
  const directory = await temporaryDirectory();
  const config = await resolveHost('ann@walnut:2222', {
    settings: { config_file: undefined, identity_files: [], known_hosts_files: undefined },
    environment: { PATH: directory, HOME: '/home/ann' },
  });
  expect(config).toMatchObject({ hostname: 'walnut', user: 'ann', port: 2222, jumps: [] });
  expect(config.identity_files[0]).toEqual({ path: '/home/ann/.ssh/id_ed25519', by_default: true });
  expect(config.known_hosts_files[0]).toBe('/home/ann/.ssh/known_hosts');
});
