import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  appendFile,
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import {
  installedVersions,
  removeVersions,
  switchOff,
  switchTo,
} from '../../../coordinator/bootstrap/switch.ts';
import { uploadBundle } from '../../../coordinator/bootstrap/upload.ts';
import type { Bundle, BundleFile } from '../../../coordinator/bundle/bundle.ts';
import type { RemoteFiles, SshHost } from '../../../coordinator/ssh/ssh.ts';
import { findSshd } from '../../support/sshd.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { waitFor } from '../../support/wait.ts';
import { toolsWithout } from './host-path.ts';
import { live, testHost } from './ssh-host.ts';

const run = promisify(execFile);
const MIB = 1024 * 1024;

const file = (path: string, bytes: Uint8Array, mode = 0o644): BundleFile => ({
  path,
  mode,
  size_bytes: bytes.byteLength,
  sha256: createHash('sha256').update(bytes).digest('hex'),
  bytes,
});

function bundleOf(version: string, size_bytes = 3 * MIB): Bundle {
  const files = [
    file('LICENSE', new Uint8Array()),
    file('bin/ccli', new TextEncoder().encode('#!/bin/sh\necho "$0"\n'), 0o755),
    file('lib/node-agent/program.mjs', randomBytes(size_bytes)),
    file('systemd/user/ccli-node-agent.service', new TextEncoder().encode('[Service]\n')),
  ];
  return { version, files, size_bytes: files.reduce((sum, { size_bytes: one }) => sum + one, 0) };
}

const baseOf = (home: string): string => join(home, '.local', 'share', 'ccli');

async function expectWhole(base: string, bundle: Bundle): Promise<void> {
  for (const { path, mode, bytes } of bundle.files) {
    const place = join(base, 'versions', bundle.version, path);
    expect(Buffer.compare(await readFile(place), Buffer.from(bytes)), path).toBe(0);
    expect((await stat(place)).mode & 0o777, path).toBe(mode);
  }
}

/** The same host, with something done in place of each write of a file. */
function around(
  host: SshHost,
  write: (files: RemoteFiles, ...args: Parameters<RemoteFiles['write']>) => Promise<void>,
): SshHost {
  return {
    name: host.name,
    target: () => host.target(),
    probe: signal => host.probe(signal),
    run: (command, options) => host.run(command, options),
    open: (command, signal) => host.open(command, signal),
    sftp: (work, signal) =>
      host.sftp(
        files =>
          work({
            stat: path => files.stat(path),
            list: path => files.list(path),
            read: path => files.read(path),
            write: (...args) => write(files, ...args),
            makeDirectory: (path, mode) => files.makeDirectory(path, mode),
            rename: (from, to) => files.rename(from, to),
            remove: path => files.remove(path),
            removeDirectory: path => files.removeDirectory(path),
            symlink: (target, path) => files.symlink(target, path),
          }),
        signal,
      ),
  };
}

beforeEach(async ({ skip }) => {
  if ((await findSshd()) === undefined) skip('needs sshd: a bundle goes to a real one');
});

describe('uploading a bundle', () => {
  test('puts every file there with its mode, under one name, and a second time has nothing to do', async () => {
    const { host, home } = await testHost();
    const base = baseOf(home);
    const bundle = bundleOf('1.0.0-aaaaaaaaaaaa');
    const progress: number[] = [];
    const onProgress = (sent: number): void => {
      progress.push(sent);
    };

    expect(await uploadBundle(host, bundle, { base, signal: live(), onProgress })).toBe('uploaded');
    await expectWhole(base, bundle);
    expect(await readdir(join(base, 'versions'))).toEqual([bundle.version]);
    expect(progress.at(-1)).toBe(bundle.size_bytes);
    expect(progress).toEqual(progress.toSorted((one, other) => one - other));

    expect(await uploadBundle(host, bundle, { base, signal: live() })).toBe('present');
  });

  test('goes on where a connection that was cut has left it', async () => {
    const { host, home, sshd } = await testHost();
    const base = baseOf(home);
    const bundle = bundleOf('1.0.0-bbbbbbbbbbbb', 24 * MIB);
    let cut: Promise<void> | undefined;
    const first = uploadBundle(host, bundle, {
      base,
      signal: live(),
      onProgress: sent => {
        if (sent > 6 * MIB) cut ??= sshd.kill();
      },
    });
    await expect(first).rejects.toMatchObject({ code: 'ssh_connection_lost' });
    await cut;
    const { partial, versions } = await listed(base);
    expect(versions).toEqual([]);
    expect(partial).toHaveLength(1);
    await sshd.restart();

    let sent_bytes = 0;
    const counting = around(host, async (files, path, bytes, options) => {
      sent_bytes += bytes.byteLength;
      await files.write(path, bytes, options);
    });
    expect(await uploadBundle(counting, bundle, { base, signal: live() })).toBe('uploaded');
    await expectWhole(base, bundle);
    expect(sent_bytes).toBeLessThan(bundle.size_bytes - 5 * MIB);
    expect(await listed(base)).toEqual({ versions: [bundle.version], partial: [] });
  });

  test('begins a file anew whose first part is not what was sent', async () => {
    const { host, home } = await testHost();
    const base = baseOf(home);
    const bundle = bundleOf('1.0.0-cccccccccccc');
    const left = join(base, 'versions', `${bundle.version}.partial`, 'lib', 'node-agent');
    await mkdir(left, { recursive: true });
    await writeFile(join(left, 'program.mjs'), randomBytes(MIB));
    await writeFile(join(left, '..', '..', 'LICENSE'), 'longer than it should be');

    expect(await uploadBundle(host, bundle, { base, signal: live() })).toBe('uploaded');
    await expectWhole(base, bundle);
  });

  test('sends again what was damaged on its way, and gives up when it is damaged again', async () => {
    const { host, home } = await testHost();
    const base = baseOf(home);
    const damage = (times: number): SshHost =>
      around(host, async (files, path, bytes, options) => {
        const bad = path.endsWith('program.mjs') && times > 0;
        times -= bad ? 1 : 0;
        await files.write(path, bad ? bytes.map(byte => byte ^ 1) : bytes, options);
      });

    const once = bundleOf('1.0.0-dddddddddddd');
    expect(await uploadBundle(damage(1), once, { base, signal: live() })).toBe('uploaded');
    await expectWhole(base, once);

    const twice = bundleOf('1.0.0-eeeeeeeeeeee');
    await expect(uploadBundle(damage(2), twice, { base, signal: live() })).rejects.toMatchObject({
      code: 'upload_damaged',
      message: expect.stringContaining('program.mjs') as unknown,
    });
    expect(await listed(base)).toEqual({ versions: [once.version], partial: [] });
  });

  test('mends a version that was damaged or made unrunnable on the host', async () => {
    const { host, home } = await testHost();
    const base = baseOf(home);
    const bundle = bundleOf('1.0.0-ffffffffffff');
    const there = join(base, 'versions', bundle.version);
    const signal = live();
    await uploadBundle(host, bundle, { base, signal });

    await truncate(join(there, 'lib', 'node-agent', 'program.mjs'), 10);
    expect(await uploadBundle(host, bundle, { base, signal })).toBe('uploaded');
    await expectWhole(base, bundle);

    await chmod(join(there, 'bin', 'ccli'), 0o644);
    expect(await uploadBundle(host, bundle, { base, signal })).toBe('uploaded');
    await expectWhole(base, bundle);

    await rm(join(there, 'systemd'), { recursive: true });
    expect(await uploadBundle(host, bundle, { base, signal })).toBe('uploaded');
    await expectWhole(base, bundle);
    expect(await listed(base)).toEqual({ versions: [bundle.version], partial: [] });
  });

  test('two at once of one version leave one whole version and nothing else', async () => {
    const { host, home } = await testHost();
    const base = baseOf(home);
    const bundle = bundleOf('1.0.0-111111111111', 12 * MIB);

    const outcomes = await Promise.all([
      uploadBundle(host, bundle, { base, signal: live() }),
      uploadBundle(host, bundle, { base, signal: live() }),
    ]);
    expect(outcomes).toContain('uploaded');
    await expectWhole(base, bundle);
    expect(await listed(base)).toEqual({ versions: [bundle.version], partial: [] });
  });

  test('leaves alone what another upload is still writing', async () => {
    const { host, home } = await testHost();
    const base = baseOf(home);
    const bundle = bundleOf('1.0.0-222222222222');
    const busy = join(base, 'versions', `${bundle.version}.partial-other`);
    await mkdir(busy, { recursive: true });
    const growing = new AbortController();
    const other = (async () => {
      while (!growing.signal.aborted) await appendFile(join(busy, 'growing'), 'more');
    })();
    onTestFinished(() => {
      growing.abort();
    });

    expect(await uploadBundle(host, bundle, { base, signal: live() })).toBe('uploaded');
    growing.abort();
    await other;
    expect(await listed(base)).toEqual({
      versions: [bundle.version],
      partial: [`${bundle.version}.partial-other`],
    });
  });

  test('stops when it is told to, and what has arrived is there for the next one', async () => {
    const { host, home } = await testHost();
    const base = baseOf(home);
    const bundle = bundleOf('1.0.0-333333333333', 24 * MIB);
    const stop = new AbortController();
    const first = uploadBundle(host, bundle, {
      base,
      signal: stop.signal,
      onProgress: sent => {
        if (sent > 6 * MIB) stop.abort(new Error('stopped by the test'));
      },
    });
    await expect(first).rejects.toThrow('stopped by the test');
    const place = { base, signal: live() };
    expect(await installedVersions(host, place)).toMatchObject({ versions: [] });
    expect(await removeVersions(host, [], place)).toHaveLength(1);
    expect(await readdir(join(base, 'versions'))).toEqual([]);
  });

  test('a home with spaces, quotes and letters of other scripts is a home like any other', async () => {
    const { host, home } = await testHost({ home: join(await temporaryDirectory(), "größe 'n' 名前 $HOME") });
    const base = baseOf(home);
    const bundle = bundleOf('1.0.0-444444444444');
    const place = { base, signal: live() };

    expect(await uploadBundle(host, bundle, { base, signal: live() })).toBe('uploaded');
    await expectWhole(base, bundle);
    expect(await switchTo(host, bundle.version, place)).toBeUndefined();
    expect(await installedVersions(host, place)).toEqual({
      current: bundle.version,
      versions: [bundle.version],
      partial: [],
    });
  });

  test.each(['shasum -a 256', 'openssl dgst', 'node'])(
    'checks with %s where there is no sha256sum',
    async kept => {
      const bin = await toolsWithout(['sha256sum', 'shasum', 'openssl', 'node'], kept.split(' ')[0] ?? '');
      const { host, home } = await testHost({ environment: { PATH: bin } });
      const base = baseOf(home);
      const bundle = bundleOf('1.0.0-555555555555');

      const options = { base, signal: live(), ...(kept === 'node' && { node: process.execPath }) };
      expect(await uploadBundle(host, bundle, options)).toBe('uploaded');
      await expectWhole(base, bundle);
    },
  );

  test('says what is missing where nothing can check what arrived', async () => {
    const bin = await toolsWithout(['sha256sum', 'shasum', 'openssl', 'node']);
    const { host, home } = await testHost({ environment: { PATH: bin } });
    const base = baseOf(home);
    const upload = uploadBundle(host, bundleOf('1.0.0-666666666666'), { base, signal: live() });
    await expect(upload).rejects.toMatchObject({
      code: 'host_not_ready',
      message: expect.stringContaining('sha256sum') as unknown,
    });
    expect(await readdir(home)).toEqual([]);
  });

  test('a place that may not be written to is told, and nothing is begun', async () => {
    const { host, home } = await testHost();
    // For root too, whom no mode keeps out.
    await mkdir(join(home, '.local'));
    await symlink('/proc', join(home, '.local', 'share'));
    const upload = uploadBundle(host, bundleOf('1.0.0-777777777777'), { base: baseOf(home), signal: live() });
    await expect(upload).rejects.toMatchObject({
      code: expect.stringMatching(/^(permission_denied|remote_command_failed)$/) as unknown,
    });
  });

  test('a disk without room is told before anything is sent, and one that fills up leaves nothing', async ({
    skip,
  }) => {
    const why = await whyNoSmallDisk();
    if (why !== undefined) skip(why);
    const home = await smallDisk(8 * MIB);
    const { host } = await testHost({ home });
    const base = baseOf(home);
    const options = { base, signal: live() };

    await expect(uploadBundle(host, bundleOf('1.0.0-888888888888', 9 * MIB), options)).rejects.toMatchObject({
      code: 'disk_full',
      message: expect.stringContaining('KiB') as unknown,
    });
    expect(await readdir(join(base, 'versions'))).toEqual([]);

    // It fits when it begins; then somebody else takes the room.
    const filling = around(host, async (files, path, bytes, write) => {
      if (path.endsWith('program.mjs'))
        await run('dd', ['if=/dev/zero', `of=${join(home, 'big')}`, 'bs=64k']).catch(() => undefined);
      await files.write(path, bytes, write);
    });
    const second = uploadBundle(filling, bundleOf('1.0.0-999999999999', 3 * MIB), options);
    await expect(second).rejects.toMatchObject({ code: 'disk_full' });
    expect(await readdir(join(base, 'versions'))).toEqual([]);
  });
});

describe('switching versions', () => {
  test('goes to a version and back in one step, and tells which one it was', async () => {
    const { host, home } = await testHost();
    const base = baseOf(home);
    const place = { base, signal: live() };
    expect(await installedVersions(host, place)).toEqual({ current: undefined, versions: [], partial: [] });

    const [blue, green] = [bundleOf('1.0.0-aaaaaaaaaaaa', 10), bundleOf('1.1.0-bbbbbbbbbbbb', 10)];
    for (const bundle of [blue, green]) await uploadBundle(host, bundle, place);
    expect(await switchTo(host, blue.version, place)).toBeUndefined();
    const current = async (): Promise<string> =>
      (await run(join(base, 'current', 'bin', 'ccli'), [])).stdout.trim();
    expect(await current()).toContain('current/bin/ccli');
    expect(await switchTo(host, green.version, place)).toBe(blue.version);
    expect(await switchTo(host, green.version, place)).toBe(green.version);
    expect(await switchTo(host, blue.version, place)).toBe(green.version);
    expect((await readdir(base)).toSorted()).toEqual(['current', 'versions']);

    await expect(switchTo(host, '9.9.9-cccccccccccc', place)).rejects.toMatchObject({
      code: 'host_not_ready',
    });
    await expect(switchTo(host, '../versions', place)).rejects.toMatchObject({ code: 'host_not_ready' });

    expect(await removeVersions(host, [], place)).toEqual([green.version]);
    expect(await installedVersions(host, place)).toMatchObject({ versions: [blue.version] });
    await switchOff(host, place);
    await switchOff(host, place);
    expect(await removeVersions(host, [], place)).toEqual([blue.version]);
  });
});

async function listed(base: string): Promise<{ versions: string[]; partial: string[] }> {
  const names = (await readdir(join(base, 'versions'))).toSorted();
  return {
    versions: names.filter(name => !name.includes('.partial')),
    partial: names.filter(name => name.includes('.partial')),
  };
}

async function whyNoSmallDisk(): Promise<string | undefined> {
  const place = await mkdtemp(join(tmpdir(), 'ccli-'));
  try {
    await run('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', place]);
    await run('umount', [place]);
    return undefined;
  } catch (error) {
    return `needs permission-to-mount: a disk that fills up is a small one of its own (${error instanceof Error ? error.message.split('\n')[0] : String(error)})`;
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}

async function smallDisk(size_bytes: number): Promise<string> {
  const place = await temporaryDirectory();
  await run('mount', ['-t', 'tmpfs', '-o', `size=${size_bytes}`, 'tmpfs', place]);
  onTestFinished(async () => {
    await waitFor(
      () =>
        run('umount', [place]).then(
          () => true,
          () => false,
        ),
      { what: 'nobody uses the small disk any more' },
    );
  });
  return place;
}
