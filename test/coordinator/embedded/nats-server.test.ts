import { chmod, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { findNatsServer } from '../../../coordinator/embedded/nats-server.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

/** A program that says it is some version of nats-server, and leaves a trace of having been started. */
async function fakeServer(path: string, version: string): Promise<string> {
  await writeFile(path, `#!/bin/sh\n: > "$0.started"\necho "nats-server: v${version}"\n`);
  await chmod(path, 0o755);
  return path;
}

async function places() {
  const root = await temporaryDirectory();
  const bin = join(root, 'bin');
  const cache = join(root, 'cache', 'ccli');
  await Promise.all([bin, cache].map(directory => mkdir(directory, { recursive: true })));
  const stages: string[] = [];
  const find = (environment: Record<string, string> = {}) =>
    findNatsServer({
      environment: { PATH: bin, HOME: root, XDG_CACHE_HOME: join(root, 'cache'), ...environment },
      onStage: text => stages.push(text),
    });
  return { root, bin, cache, stages, find };
}

describe('finding a nats-server', () => {
  test('the one that is named wins over all others', async () => {
    const { root, bin, find } = await places();
    await fakeServer(join(bin, 'nats-server'), '2.15.1');
    const named = await fakeServer(join(root, 'mine'), '2.14.0');
    expect(await find({ CCLI_NATS_SERVER: named })).toEqual({
      path: named,
      version: { major: 2, minor: 14, patch: 0 },
    });
  });

  test('a named one that is no nats-server is an error that names it', async () => {
    const { root, find } = await places();
    await expect(find({ CCLI_NATS_SERVER: join(root, 'nothing') })).rejects.toMatchObject({
      code: 'config_invalid',
      message: expect.stringContaining(join(root, 'nothing')) as string,
    });
    const other = join(root, 'other');
    await writeFile(other, '#!/bin/sh\nexit 3\n', { mode: 0o755 });
    await expect(find({ CCLI_NATS_SERVER: other })).rejects.toMatchObject({ code: 'config_invalid' });
  });

  test('a named one that is too old to work is refused, one too old to rely on gets a warning', async () => {
    const { root, find } = await places();
    const ancient = await fakeServer(join(root, 'ancient'), '2.8.4');
    await expect(find({ CCLI_NATS_SERVER: ancient })).rejects.toThrow(/2\.8\.4/);
    const old = await fakeServer(join(root, 'old'), '2.9.10');
    expect((await find({ CCLI_NATS_SERVER: old })).warning).toMatch(/2\.9\.10.*power cut/);
  });

  test('one on PATH is taken when it is new enough', async () => {
    const { bin, cache, find } = await places();
    const path = await fakeServer(join(bin, 'nats-server'), '2.14.2');
    await fakeServer(join(cache, 'nats-server-2.15.1'), '2.15.1');
    expect(await find()).toMatchObject({ path, version: { minor: 14 } });
  });

  test('the cached one is found without starting it', async () => {
    const { cache, find, stages } = await places();
    const path = await fakeServer(join(cache, 'nats-server-2.15.1'), '2.15.1');
    expect(await find()).toEqual({ path, version: { major: 2, minor: 15, patch: 1 } });
    expect(await readdir(cache)).toEqual(['nats-server-2.15.1']);
    expect(stages).toEqual([]);
  });

  test('an older one on PATH serves, with a warning, when nothing better is to be had', async () => {
    const { bin, find } = await places();
    const path = await fakeServer(join(bin, 'nats-server'), '2.10.29');
    const found = await find();
    expect(found.path).toBe(path);
    expect(found.warning).toContain('2.10.29');
  });

  test('Go builds the pinned one into the cache, and leaves nothing else there', async () => {
    const { bin, cache, find, stages } = await places();
    const go = join(bin, 'go');
    await writeFile(
      go,
      '#!/bin/sh\n[ "$1" = install ] && echo "$2 $GOFLAGS" > "$GOBIN/nats-server"\n/bin/chmod +x "$GOBIN/nats-server"\n',
    );
    await chmod(go, 0o755);
    const found = await Promise.all([find(), find()]);
    expect(found.map(({ path }) => path)).toEqual([0, 1].map(() => join(cache, 'nats-server-2.15.1')));
    expect(await readdir(cache)).toEqual(['nats-server-2.15.1']);
    expect(stages[0]).toMatch(/building nats-server 2\.15\.1/);
  });

  test('a failing Go build falls back to the package, and a package that fails is told with its reason', async () => {
    const { bin, cache, find, stages } = await places();
    await writeFile(join(bin, 'go'), '#!/bin/sh\necho "no route to the module proxy"\nexit 1\n', {
      mode: 0o755,
    });
    await writeFile(join(bin, 'apt-get'), '#!/bin/sh\necho "E: no such package"\nexit 100\n', {
      mode: 0o755,
    });
    await symlink('/bin/false', join(bin, 'dpkg-deb'));
    await expect(find()).rejects.toMatchObject({
      code: 'nats_server_missing',
      message: expect.stringMatching(/no route to the module proxy.*E: no such package/s) as string,
    });
    expect(stages).toHaveLength(2);
    expect(await readdir(cache)).toEqual([]);
  });

  test('with nothing to be had, the error says what to install on each platform', async () => {
    const { find } = await places();
    await expect(find()).rejects.toMatchObject({
      code: 'nats_server_missing',
      message: expect.stringMatching(/Linux.*https:\/\/nats\.io\/download.*macOS.*brew.*Windows/s) as string,
    });
  });

  test('an abort ends a build that runs, and is not taken for a failure of the build', async () => {
    const { root, bin, cache } = await places();
    await writeFile(join(bin, 'go'), '#!/bin/sh\nexec /bin/sleep 1000\n', { mode: 0o755 });
    const controller = new AbortController();
    const finding = findNatsServer({
      environment: { PATH: bin, HOME: root, XDG_CACHE_HOME: join(root, 'cache') },
      onStage: () => {
        controller.abort(new Error('enough'));
      },
      signal: controller.signal,
    });
    await expect(finding).rejects.toThrow('enough');
    expect(await readdir(cache)).toEqual([]);
  });
});
