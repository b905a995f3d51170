import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { connect } from '@nats-io/transport-node';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { stringify } from 'yaml';
import { readBundle } from '../../../coordinator/bundle/read.ts';
import { VERSION } from '../../../protocol/daemon/version.ts';
import { root } from '../../support/built.ts';
import { testNats } from '../../support/nats-server.ts';
import { nodeBuild } from '../../support/node-builds.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const run = promisify(execFile);
const source = join(root, 'dist', 'bundle');

beforeAll(async () => {
  const rolldown = join(root, 'node_modules', 'rolldown', 'bin', 'cli.mjs');
  await run(process.execPath, [rolldown, '-c', '.rolldown.config.mjs'], { cwd: root });
});

/** As it lies on a host: in a home with a name that a careless script falls over, and no package anywhere near. */
async function installed(): Promise<{ home: string; ccli: string; directory: string }> {
  const home = join(await temporaryDirectory(), "a home's $HOME");
  const share = join(home, '.local', 'share', 'ccli');
  const directory = join(share, 'versions', '1.0.0-aaaaaaaaaaaa');
  await cp(source, directory, { recursive: true });
  await symlink('versions/1.0.0-aaaaaaaaaaaa', join(share, 'current'));
  await mkdir(join(home, '.local', 'bin'));
  const ccli = join(home, '.local', 'bin', 'ccli');
  await symlink('../share/ccli/current/bin/ccli', ccli);
  return { home, ccli, directory };
}

async function chooseNode(home: string, node: string): Promise<void> {
  await mkdir(join(home, '.config', 'ccli'), { recursive: true });
  await writeFile(join(home, '.config', 'ccli', 'node'), node);
}

/** The one that the tests run under is the oldest there may be, or near it. */
const nodes: readonly (readonly [string, () => Promise<string>])[] = [
  [process.version, () => Promise.resolve(process.execPath)],
  ['v22.14.0', async () => join(await nodeBuild('22.14.0'), 'bin', 'node')],
  ['v22.17.0', async () => join(await nodeBuild('22.17.0'), 'bin', 'node')],
];

describe('the bundle', () => {
  test('imports nothing but what every Node has', async () => {
    const program = await readFile(join(source, 'lib', 'node-agent', 'program.mjs'), 'utf8');
    const imported = [...program.matchAll(/^import\b.*?["']([^"']+)["'];?$/gm)].map(([, name]) => name ?? '');
    expect(imported.length).toBeGreaterThan(10);
    const { builtinModules } = await import('node:module');
    for (const name of imported) expect(builtinModules).toContain(name.replace(/^node:/, ''));
  });

  test.each(nodes)('is a whole node-agent under Node %s, with no package near it', async (version, place) => {
    const { home, ccli } = await installed();
    await chooseNode(home, `${await place()}\n`);
    const env = { HOME: home, PATH: '/usr/bin:/bin' };
    expect((await run(ccli, ['--version'], { env })).stdout).toBe(`${VERSION}\n`);

    const nats = await testNats();
    const connection = await connect({ servers: nats.url });
    onTestFinished(() => connection.close());
    const adverts = connection.subscribe('ccli.node.walnut.advert', { max: 1 });
    await connection.flush();
    await writeFile(
      join(home, '.config', 'ccli', 'node-agent.yaml'),
      stringify({ node: 'walnut', nats: { url: nats.url }, agents: [] }),
    );
    const child = spawn(ccli, ['node-agent'], { env, stdio: ['ignore', 'ignore', 'pipe'] });
    const ended = end(child);
    onTestFinished(async () => {
      child.kill('SIGTERM');
      await ended;
    });
    for await (const advert of adverts) {
      expect(advert.json()).toMatchObject({ node: 'walnut', node_js: version, version: VERSION });
    }
    child.kill('SIGTERM');
    expect(await ended).toEqual({ code: 0, stderr: expect.stringContaining('"event":"stopped"') as unknown });
  });

  test('has a version of its own for every content', async () => {
    const bundle = await readBundle(source);
    expect(bundle.version).toMatch(new RegExp(`^${VERSION.replaceAll('.', '\\.')}-[0-9a-f]{12}$`));
    expect(bundle.files.map(({ path }) => path)).toEqual(
      expect.arrayContaining([
        'LICENSE',
        'bin/ccli',
        'lib/node-agent/program.mjs',
        'package.json',
        'systemd/ccli-node-agent@.service',
        'systemd/user/ccli-node-agent.service',
      ]),
    );
    expect(bundle.files.find(({ path }) => path === 'bin/ccli')?.mode).toBe(0o755);
    expect((await readBundle(source)).version).toBe(bundle.version);

    const copy = join(await temporaryDirectory(), 'bundle');
    await cp(source, copy, { recursive: true });
    expect((await readBundle(copy)).version).toBe(bundle.version);
    await writeFile(join(copy, 'LICENSE'), 'another');
    const changed = (await readBundle(copy)).version;
    expect(changed).not.toBe(bundle.version);
    await chmod(join(copy, 'LICENSE'), 0o755);
    expect((await readBundle(copy)).version).not.toBe(changed);
  });

  test('that was not built tells how to build it', async () => {
    const empty = await temporaryDirectory();
    for (const place of [empty, join(empty, 'missing')])
      await expect(readBundle(place)).rejects.toMatchObject({
        code: 'start_failed',
        message: expect.stringContaining('npm run build') as unknown,
      });
  });
});

async function end(child: ChildProcess): Promise<{ code: number | null; stderr: string }> {
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  await once(child, 'close');
  return { code: child.exitCode, stderr };
}
