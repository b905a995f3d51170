import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { HostFacts, Wanted } from '../../../coordinator/bootstrap/facts.ts';
import { judge } from '../../../coordinator/bootstrap/judge.ts';
import { preflight } from '../../../coordinator/bootstrap/preflight.ts';
import type { Finding } from '../../../protocol/finding.ts';
import { makeNvmHome } from '../../support/node-builds.ts';
import { findSshd } from '../../support/sshd.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { fakes, toolsWithout } from './host-path.ts';
import { live, type TestHost, testHost } from './ssh-host.ts';

beforeEach(async ({ skip }) => {
  if ((await findSshd()) === undefined) skip('needs sshd: the host is behind a real one');
});

interface Look {
  readonly facts: HostFacts;
  readonly finding: (check: string) => Finding | undefined;
}

async function look({ host }: TestHost, wanted: Wanted = {}): Promise<Look> {
  const facts = await preflight(host, wanted, live());
  const findings = judge(facts, wanted);
  return { facts, finding: check => findings.find(one => one.check === check) };
}

async function write(path: string, text: string): Promise<void> {
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, text);
}

describe('looking at a host', () => {
  test('finds the Nodes of nvm, what its aliases mean, and gemini with its version, without starting it', async () => {
    const there = await testHost();
    await makeNvmHome(join(there.home, '.nvm'), {
      versions: ['22.14.0', '22.17.0'],
      gemini: ['22.14.0'],
      aliases: { default: '22', 'lts/jod': 'v22.14.0', work: 'lts/jod # for now' },
    });
    const bin = (version: string): string => join(there.home, '.nvm', 'versions', 'node', version, 'bin');

    const asked = await look(there, { node_version: 'v22.14.0' });
    expect(asked.facts).toMatchObject({
      home: there.home,
      system: 'Linux',
      libc: 'glibc',
      nvm_dir: join(there.home, '.nvm'),
      aliases: { default: '22', 'lts/jod': 'v22.14.0' },
      node: { version: 'v22.14.0', path: join(bin('v22.14.0'), 'node'), from: 'nvm', runs: true },
      gemini: {
        path: join(bin('v22.14.0'), 'gemini'),
        version: expect.stringMatching(/^\d+\.\d+\.\d+/) as unknown,
      },
      writable: true,
      nats: undefined,
    });
    expect(asked.facts.nodes.slice(0, 2).map(({ version }) => version)).toEqual(['v22.17.0', 'v22.14.0']);
    for (const check of ['system', 'architecture', 'disk', 'home', 'node', 'gemini', 'clock'])
      expect(asked.finding(check), check).toMatchObject({ outcome: 'ok' });

    expect((await look(there)).facts.node?.version).toBe('v22.17.0');
    expect((await look(there, { node_version: 'work' })).facts.node?.version).toBe('v22.14.0');
  });

  test('a Node that is not installed is told with those that are, and how to install it', async () => {
    const there = await testHost();
    await makeNvmHome(join(there.home, '.nvm'), { versions: ['22.14.0', '22.17.0'] });

    const { facts, finding } = await look(there, { node_version: 'v24.1.0' });
    expect(facts.node).toBeUndefined();
    expect(finding('node')).toMatchObject({
      outcome: 'fail',
      code: 'node_version_missing',
      says: expect.stringMatching(/v24\.1\.0 is not there; installed: v22\.17\.0, v22\.14\.0/) as unknown,
      mend: expect.stringContaining('nvm install v24.1.0') as unknown,
    });
    // It comes with each Node of nvm anew.
    expect(finding('gemini')).toMatchObject({
      says: 'gemini is not installed under Node v24.1.0.',
      mend: expect.stringContaining('nvm use v24.1.0 && npm install -g') as unknown,
    });
  });

  test('a bare host without nvm and Node is told how to come by them', async () => {
    const bin = await temporaryDirectory();
    for (const name of 'cat chmod cut date df dirname grep getconf head id ls printf readlink sed sh sort tail timeout tr uname'.split(
      ' ',
    ))
      await symlink(join('/usr/bin', name), join(bin, name));
    const there = await testHost({ environment: { PATH: bin } });

    const { facts, finding } = await look(there);
    expect(facts).toMatchObject({
      nvm_dir: undefined,
      nodes: [],
      node: undefined,
      gemini: undefined,
      installed: { current: undefined, versions: [], units: [], credentials: {} },
    });
    expect(finding('node')).toMatchObject({
      outcome: 'fail',
      mend: expect.stringContaining('Install nvm') as unknown,
    });
    expect(finding('gemini')).toMatchObject({ outcome: 'fail', code: 'cli_missing' });
    expect(finding('sign_in')).toMatchObject({ outcome: 'fail', code: 'cli_not_signed_in' });
    expect(await look(there, { gemini: false }).then(one => one.finding('gemini')?.outcome)).toBe('skipped');
  });

  test('a Node too old, and one that does not start, are no Node for it', async () => {
    const there = await testHost();
    const place = (version: string): string =>
      join(there.home, '.nvm', 'versions', 'node', version, 'bin', 'node');
    await write(place('v18.20.0'), '#!/bin/sh\necho v18.20.0\n');
    await write(place('v22.99.0'), '#!/bin/sh\necho "GLIBC_2.28 not found" >&2; exit 1\n');
    for (const version of ['v18.20.0', 'v22.99.0']) await chmod(place(version), 0o755);

    expect((await look(there, { node_version: '18' })).finding('node')).toMatchObject({
      outcome: 'fail',
      says: expect.stringContaining('older than') as unknown,
    });
    expect((await look(there, { node_version: '22.99' })).finding('node')).toMatchObject({
      outcome: 'fail',
      says: expect.stringContaining('does not start') as unknown,
    });
    expect((await look(there)).facts.node?.version).not.toBe('v22.99.0');
  });

  test('what start-up files print is no answer', async () => {
    const home = join(await temporaryDirectory(), 'home');
    const noise = 'echo "Welcome!"; printf "home=/elsewhere\\nccli-0:uid=7"; echo "to you" >&2\n';
    for (const name of ['.bashrc', '.profile', '.zshenv', '.bash_profile'])
      await write(join(home, name), noise);
    const there = await testHost({ home });
    expect((await look(there)).facts).toMatchObject({ home, uid: process.getuid?.() });
  });

  test('a home with spaces, quotes and letters of other scripts is a home like any other', async () => {
    const home = join(await temporaryDirectory(), "größe 'n' 名前");
    const there = await testHost({ home });
    await makeNvmHome(join(home, '.nvm'), { versions: ['22.14.0'], gemini: ['22.14.0'] });
    const { facts } = await look(there, { node_version: '22.14.0' });
    expect(facts).toMatchObject({
      home,
      node: { runs: true },
      gemini: { version: expect.any(String) as unknown },
    });
  });

  test('another architecture, another system and musl are told', async () => {
    const uname = (system: string, machine: string): string =>
      `case $1 in -s) echo ${system} ;; -m) echo ${machine} ;; *) echo 6.1 ;; esac`;
    const arm = await testHost({ environment: { PATH: await fakes({ uname: uname('Linux', 'armv7l') }) } });
    expect((await look(arm)).finding('architecture')).toMatchObject({
      outcome: 'fail',
      code: 'host_not_ready',
      says: expect.stringContaining('arm') as unknown,
    });

    const mac = await testHost({ environment: { PATH: await fakes({ uname: uname('Darwin', 'arm64') }) } });
    const macos = await look(mac);
    expect(macos.finding('system')).toMatchObject({ outcome: 'fail', code: 'host_not_ready' });
    expect(macos.finding('architecture')).toMatchObject({ outcome: 'ok' });

    const PATH = await fakes({ getconf: 'exit 1', ldd: 'echo "musl libc (x86_64)" >&2; exit 1' });
    const alpine = await look(await testHost({ environment: { PATH } }), { node_version: '99' });
    expect(alpine.facts.libc).toBe('musl');
    expect(alpine.finding('architecture')).toMatchObject({ outcome: 'warn' });
    expect(alpine.finding('node')?.mend).toContain('apk add nodejs');
  });

  test('a clock that is wrong is a warning, also where the host knows whole seconds only', async () => {
    const fine = 'exec /bin/date -d "-1 hour" "$@"';
    const behind = await look(await testHost({ environment: { PATH: await fakes({ date: fine }) } }));
    expect(behind.finding('clock')).toMatchObject({
      outcome: 'warn',
      says: expect.stringMatching(/3[56]\d\d s behind/) as unknown,
    });

    const coarse = 'case $1 in *N) echo 17000%3N ;; *) exec /bin/date "$@" ;; esac';
    const seconds = await look(await testHost({ environment: { PATH: await fakes({ date: coarse }) } }));
    expect(seconds.finding('clock')).toMatchObject({ outcome: 'ok' });
    const { offset_ms, uncertainty_ms } = seconds.facts.clock;
    expect(Math.abs(offset_ms)).toBeLessThanOrEqual(uncertainty_ms + 1);
  });

  test('tells where a key or a login is, and never the key', async () => {
    const secret = 'AIza-never-to-be-seen';
    const there = await testHost({ environment: { GEMINI_API_KEY: secret } });
    expect((await look(there)).finding('sign_in')).toMatchObject({
      outcome: 'fail',
      says: expect.stringContaining('environment') as unknown,
    });

    await write(
      join(there.home, '.gemini', 'settings.json'),
      JSON.stringify({ security: { auth: { selectedType: 'oauth-personal' } } }, null, 2),
    );
    expect((await look(there)).finding('sign_in')).toMatchObject({ outcome: 'fail' });
    await write(join(there.home, '.gemini', 'oauth_creds.json'), `{"token":"${secret}"}`);
    expect((await look(there)).finding('sign_in')).toMatchObject({ outcome: 'warn' });

    await write(join(there.home, '.gemini', '.env'), `export GEMINI_API_KEY=${secret}\n`);
    await write(join(there.home, '.config', 'ccli', 'credentials', 'gemini-api-key'), secret);
    const { facts, finding } = await look(there);
    expect(facts.sign_in).toEqual({
      auth_type: 'oauth-personal',
      login_files: ['oauth_creds.json'],
      keys: ['~/.gemini/.env', 'credential', 'environment'],
    });
    expect(finding('sign_in')).toMatchObject({ outcome: 'ok' });
    expect(JSON.stringify(facts)).not.toContain(secret);
  });

  test('tells what is installed', async () => {
    const there = await testHost();
    const base = join(there.home, '.local', 'share', 'ccli');
    await mkdir(join(base, 'versions', '1.0.0-aaaaaaaaaaaa'), { recursive: true });
    await mkdir(join(base, 'versions', '1.1.0-bbbbbbbbbbbb.partial-1'));
    await symlink('versions/1.0.0-aaaaaaaaaaaa', join(base, 'current'));
    await mkdir(join(there.home, '.local', 'bin'));
    await symlink('../share/ccli/current/bin/ccli', join(there.home, '.local', 'bin', 'ccli'));
    await write(join(there.home, '.config', 'ccli', 'node'), '/opt/node\n');
    await write(join(there.home, '.config', 'ccli', 'node-agent.yaml'), '');
    await write(join(there.home, '.config', 'systemd', 'user', 'ccli-node-agent.service'), '[Unit]\n');

    expect((await look(there)).facts.installed).toMatchObject({
      base,
      current: '1.0.0-aaaaaaaaaaaa',
      versions: ['1.0.0-aaaaaaaaaaaa'],
      partial: ['1.1.0-bbbbbbbbbbbb.partial-1'],
      command: '../share/ccli/current/bin/ccli',
      node: '/opt/node',
      config_sha256: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
      units: [
        {
          scope: 'user',
          name: 'ccli-node-agent.service',
          sha256: expect.stringMatching(/^\w{64}$/) as unknown,
        },
      ],
    });
  });

  test('a file where a directory is to be, is told', async () => {
    const there = await testHost();
    await writeFile(join(there.home, '.local'), '');
    const { facts, finding } = await look(there);
    expect(facts).toMatchObject({ writable: false, not_writable: [join(there.home, '.local')] });
    expect(finding('home')).toMatchObject({ outcome: 'fail', code: 'permission_denied' });
  });

  test.each(['Node', 'bash'])('tells by %s which of the NATS servers the host reaches', async by => {
    const server = createServer();
    await new Promise<void>(done => server.listen({ port: 0, host: '127.0.0.1' }, done));
    onTestFinished(() => {
      server.close();
    });
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const nats_url = `nats://user:never-seen@127.0.0.1:${address.port},127.0.0.1:1`;
    const without = by === 'bash' ? { environment: { PATH: await toolsWithout(['node']) } } : {};
    const there = await testHost(without);

    const { facts, finding } = await look(there, { nats_url });
    expect(facts.nats).toMatchObject({
      reached: 'yes',
      servers: [
        { address: `127.0.0.1:${address.port}`, reached: 'yes' },
        { address: '127.0.0.1:1', reached: 'no', reason: expect.stringMatching(/refused/i) as unknown },
      ],
    });
    expect(finding('nats')).toMatchObject({ outcome: 'ok' });

    const closed = { nats_url: '127.0.0.1:1' };
    expect((await look(there, closed)).finding('nats')).toMatchObject({
      outcome: 'fail',
      code: 'nats_unreachable',
      mend: expect.stringContaining('the host itself') as unknown,
    });
    expect((await look(there, { ...closed, nats_optional: true })).finding('nats')).toMatchObject({
      outcome: 'warn',
    });
  });

  test('a host without systemd is told, unless no unit is asked for', async () => {
    const there = await testHost();
    const { facts } = await look(there);
    const broken = { ...facts, systemd: { ...facts.systemd, system: false } };
    const outcome = (wanted: Wanted): string | undefined =>
      judge(broken, wanted).find(({ check }) => check === 'systemd')?.outcome;
    expect(outcome({ service: 'system' })).toBe('fail');
    // Where no unit is insisted on, there is another way.
    expect(outcome({})).toBe('warn');
    expect(outcome({ service: 'none' })).toBe('skipped');
  });
});
