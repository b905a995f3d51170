import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { lstat, mkdir, readFile, readlink, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { RemoteFiles } from '../../../coordinator/ssh/ssh.ts';
import { needsSshd } from '../../support/sshd.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { waitFor } from '../../support/wait.ts';
import { failureOf, live, sessionsOver, testHost } from './test-ssh.ts';

const run = promisify(execFile);

/** A file system of 1 MiB; why there can be none, otherwise. */
async function smallDisk(): Promise<{ path: string } | { why: string }> {
  const path = await temporaryDirectory();
  try {
    await run('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'none', path]);
  } catch (error) {
    return { why: `needs permission-to-mount: a disk is filled (${String(error).slice(0, 200)})` };
  }
  onTestFinished(async () => {
    await waitFor(() => run('umount', [path]).then(() => true));
  });
  return { path };
}

async function hostFiles(): Promise<{
  home: string;
  use: <T>(work: (files: RemoteFiles) => Promise<T>) => Promise<T>;
}> {
  const { sshd, host } = await testHost();
  return { home: sshd.home, use: work => host.sftp(work, live()) };
}

describe('files on a host', () => {
  needsSshd('a real one is spoken to');
  test('arrive as they are, with their mode, and come back', async () => {
    const { home, use } = await hostFiles();
    const bytes = randomBytes(5_000_000);
    const path = join(home, 'one');
    const progress: number[] = [];
    const back = await use(async files => {
      await files.write(path, bytes, { mode: 0o664, onProgress: sent => progress.push(sent) });
      return await files.read(path);
    });
    expect(createHash('sha256').update(back).digest('hex')).toBe(
      createHash('sha256').update(bytes).digest('hex'),
    );
    expect((await stat(path)).mode & 0o7777).toBe(0o664);
    expect(progress.at(-1)).toBe(bytes.length);
    expect(progress).toEqual(progress.toSorted((a, b) => a - b));
  });

  test('that are empty are there', async () => {
    const { home, use } = await hostFiles();
    const path = join(home, 'empty');
    expect(
      await use(async files => {
        await files.write(path, new Uint8Array(), { mode: 0o600 });
        return [await files.stat(path), await files.read(path)];
      }),
    ).toEqual([{ size_bytes: 0, mode: 0o600, kind: 'file' }, Buffer.alloc(0)]);
  });

  test('are replaced as a whole, and are never open to others for a moment', async () => {
    const { home, use } = await hostFiles();
    const path = join(home, 'secret');
    await writeFile(path, 'something longer than the new one', { mode: 0o644 });
    await use(files => files.write(path, Buffer.from('new'), { mode: 0o600 }));
    expect(await readFile(path, 'utf8')).toBe('new');
    expect((await stat(path)).mode & 0o7777).toBe(0o600);
  });

  test('that broke off are gone on with, at the byte where they ended and nowhere else', async () => {
    const { home, use } = await hostFiles();
    const path = join(home, 'rest');
    const progress: number[] = [];
    await writeFile(path, 'hello');
    await use(files =>
      files.write(path, Buffer.from(' you'), {
        mode: 0o600,
        from_byte: 5,
        onProgress: sent => progress.push(sent),
      }),
    );
    expect(await readFile(path, 'utf8')).toBe('hello you');
    expect(progress).toEqual([9]);
    const error = await failureOf(
      use(files => files.write(path, Buffer.from('x'), { mode: 0o600, from_byte: 5 })),
    );
    expect(error.code).toBe('upload_damaged');
    expect(await readFile(path, 'utf8')).toBe('hello you');
  });

  test('are looked at without following links', async () => {
    const { home, use } = await hostFiles();
    await mkdir(join(home, 'directory'), { mode: 0o750 });
    await symlink('/nowhere', join(home, 'link'));
    const seen = await use(async files => [
      await files.stat(join(home, 'directory')),
      await files.stat(join(home, 'link')),
      await files.stat(join(home, 'nothing')),
      await files.stat('/dev/null'),
    ]);
    expect(seen).toMatchObject([
      { kind: 'directory', mode: 0o750 },
      { kind: 'symlink' },
      undefined,
      { kind: 'other' },
    ]);
  });

  test('are listed, made, linked, renamed over others, and removed', async () => {
    const { home, use } = await hostFiles();
    const at = (name: string): string => join(home, name);
    await use(async files => {
      await files.makeDirectory(at('d'), 0o777);
      await files.write(at('d/new'), Buffer.from('new'), { mode: 0o600 });
      await files.write(at('d/old'), Buffer.from('old'), { mode: 0o600 });
      await files.symlink('versions/1', at('d/current'));
      await files.symlink('versions/2', at('d/next'));
      expect((await files.list(at('d'))).toSorted()).toEqual(['current', 'new', 'next', 'old']);
      await files.rename(at('d/new'), at('d/old'));
      await files.rename(at('d/next'), at('d/current'));
    });
    expect((await lstat(at('d'))).mode & 0o7777).toBe(0o777);
    expect(await readFile(at('d/old'), 'utf8')).toBe('new');
    expect(await readlink(at('d/current'))).toBe('versions/2');
    await use(async files => {
      await files.remove(at('d/old'));
      await files.remove(at('d/current'));
      await files.removeDirectory(at('d'));
      expect(await files.list(home)).toEqual([]);
    });
  });

  test('that are not there are named', async () => {
    const { home, use } = await hostFiles();
    const error = await failureOf(use(files => files.read(join(home, 'nothing'))));
    expect(error.code).toBe('remote_command_failed');
    expect(error.message).toContain(`read ${join(home, 'nothing')}: there is no such file`);
  });

  test('where the user may not write are named', async () => {
    const { use } = await hostFiles();
    const error = await failureOf(use(files => files.makeDirectory('/sys/ccli', 0o700)));
    expect(error.code).toBe('permission_denied');
    expect(error.message).toContain('/sys/ccli');
  });

  test('for which the disk has no room are told apart', async ({ skip }) => {
    const disk = await smallDisk();
    if ('why' in disk) skip(disk.why);
    else {
      const { use } = await hostFiles();
      const path = join(disk.path, 'big');
      const error = await failureOf(
        use(files => files.write(path, Buffer.alloc(4_000_000), { mode: 0o600 })),
      );
      expect(error.code).toBe('disk_full');
      expect(error.message).toContain(path);
      // What has failed can be cleaned up.
      await use(files => files.remove(path));
    }
  });

  test('on a file system that is read-only are told apart', async ({ skip }) => {
    const disk = await smallDisk();
    if ('why' in disk) skip(disk.why);
    else {
      await run('mount', ['-o', 'remount,ro', disk.path]);
      const { use } = await hostFiles();
      const error = await failureOf(
        use(files => files.write(join(disk.path, 'x'), Buffer.from('x'), { mode: 0o600 })),
      );
      expect(error.code).toBe('permission_denied');
      expect(error.message).toContain('read-only');
    }
  });

  test('end with the signal, also in the middle of one', async () => {
    const { sshd, host, ssh } = await testHost();
    const stop = new AbortController();
    const why = new Error('enough');
    const writing = host.sftp(
      files =>
        files.write(join(sshd.home, 'big'), Buffer.alloc(64_000_000), {
          mode: 0o600,
          onProgress: () => {
            stop.abort(why);
          },
        }),
      stop.signal,
    );
    await expect(writing).rejects.toBe(why);
    await sessionsOver(ssh);
  });

  test('need no more than the server has: without SFTP that is said', async () => {
    const { host } = await testHost({ sshd: { settings: ['ForceCommand echo hello'] } });
    const error = await failureOf(host.sftp(files => files.list('/'), live()));
    expect(error.code).toBe('ssh_channel_refused');
    expect(error.message).toContain('Subsystem');
  });

  test('an error of the work itself comes through, and the session is closed', async () => {
    const { host, ssh } = await testHost();
    const mine = new Error('mine');
    await expect(host.sftp(() => Promise.reject(mine), live())).rejects.toBe(mine);
    await sessionsOver(ssh);
  });
});
