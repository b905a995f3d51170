/** `install.sh` into an empty directory, as somebody does who makes a package: nothing is started and no user is made. */
import { execFile } from 'node:child_process';
import { chmod, lstat, mkdir, readdir, readFile, readlink, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadCoordinatorConfig } from '../../coordinator/config.ts';
import { findNatsServer } from '../../coordinator/embedded/nats-server.ts';
import { root } from '../support/built.ts';
import { plainEnvironment } from '../support/plain-environment.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const program = (
  file: string,
  args: readonly string[],
  environment: Record<string, string>,
): Promise<Outcome> =>
  new Promise(resolve => {
    execFile(file, args, { env: { ...plainEnvironment(), ...environment } }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });

const natsServer = async (): Promise<string> =>
  (await findNatsServer({ environment: process.env, onStage: () => undefined })).path;

/** From a built checkout unless another place is named. */
const install = (DESTDIR: string, args: readonly string[], from = root): Promise<Outcome> =>
  program(join(from, 'deploy/install.sh'), args, { DESTDIR });

/** A build of that version, as an unpacked package. */
async function packageOf(version: string): Promise<string> {
  const directory = await temporaryDirectory();
  for (const name of ['node_modules', 'LICENSE']) await symlink(join(root, name), join(directory, name));
  const text = await readFile(join(root, 'package.json'), 'utf8');
  await writeFile(
    join(directory, 'package.json'),
    text.replace(/"version": ".*"/, `"version": "${version}"`),
  );
  for (const name of ['dist', 'deploy']) await program('cp', ['-a', join(root, name), directory], {});
  return directory;
}

const everything = async (directory: string): Promise<string[]> =>
  (await readdir(directory, { recursive: true })).filter(path => !path.includes('/opt/ccli/0.')).sort();

test('puts programs, units and configuration where they belong, and repeated finds nothing to do', async () => {
  const to = await temporaryDirectory();
  const flags = ['--node', process.execPath, '--nats-server', await natsServer()];
  const first = await install(to, flags);
  expect(first).toMatchObject({ code: 0, stderr: '' });
  const version = await readlink(join(to, 'opt/ccli/current'));
  expect(JSON.parse(await readFile(join(to, 'opt/ccli/current/package.json'), 'utf8'))).toMatchObject({
    version,
  });
  for (const unit of ['ccli-coordinator.service', 'ccli-nats-server.service'])
    expect(await readFile(join(to, 'usr/local/lib/systemd/system', unit), 'utf8')).toBe(
      await readFile(join(root, 'deploy/systemd', unit), 'utf8'),
    );
  const config = loadCoordinatorConfig(join(to, 'etc/ccli/coordinator.yaml'), { HOME: '/h' });
  expect(config.nats).toMatchObject({ url: 'nats://127.0.0.1:4222', sync_always: true });
  const conf = join(to, 'etc/ccli/nats-server.conf');
  expect(await readFile(conf, 'utf8')).toContain('store_dir: /var/lib/ccli-nats');
  expect((await lstat(conf)).mode & 0o777).toBe(0o640);
  const again = await install(to, flags);
  expect(again).toEqual({ code: 0, stdout: '', stderr: '' });
});

test('what is installed runs, with the packages that it needs and no others', async () => {
  const to = await temporaryDirectory();
  await install(to, ['--node', process.execPath, '--nats', 'nats://10.0.0.1:4222']);
  const place = join(to, 'opt/ccli/current');
  const ran = await program(process.execPath, [join(place, 'dist/coordinator/cli/main.js'), '--version'], {});
  expect(ran).toMatchObject({ code: 0, stderr: '' });
  const packages = await readdir(join(place, 'node_modules'));
  expect(packages).toContain('zod');
  expect(packages).not.toContain('vitest');
  // Of a server elsewhere: no unit, and no promise of how it writes.
  expect(await everything(to)).not.toContain('etc/ccli/nats-server.conf');
  const config = loadCoordinatorConfig(join(to, 'etc/ccli/coordinator.yaml'), { HOME: '/h' });
  expect(config.nats).toMatchObject({ url: 'nats://10.0.0.1:4222', sync_always: false });
});

test('keeps what the operator has written', async () => {
  const to = await temporaryDirectory();
  const file = join(to, 'etc/ccli/coordinator.yaml');
  await mkdir(join(to, 'etc/ccli'), { recursive: true });
  await writeFile(file, 'prefix: mine\n');
  await install(to, ['--node', process.execPath, '--nats', 'nats://10.0.0.1:4222']);
  expect(await readFile(file, 'utf8')).toBe('prefix: mine\n');
});

test('another version takes --upgrade, and --rollback brings the old one back', async () => {
  const to = await temporaryDirectory();
  const flags = ['--node', process.execPath, '--nats', 'nats://10.0.0.1:4222'];
  await install(to, flags);
  const current = () => readlink(join(to, 'opt/ccli/current'));
  const before = await current();
  const newer = await packageOf('0.9.1');
  const refused = await install(to, flags, newer);
  expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('--upgrade') as string });
  expect(await current()).toBe(before);
  expect(await install(to, [...flags, '--upgrade'], newer)).toMatchObject({ code: 0 });
  expect(await current()).toBe('0.9.1');
  expect(await install(to, ['--rollback'], newer)).toMatchObject({ code: 0 });
  expect(await current()).toBe(before);
});

test('a step that fails is taken back with all before it', async () => {
  const to = await temporaryDirectory();
  // A file where a directory is needed.
  await mkdir(join(to, 'usr/local/lib'), { recursive: true });
  await writeFile(join(to, 'usr/local/lib/systemd'), '');
  const before = await everything(to);
  const failed = await install(to, ['--node', process.execPath, '--nats', 'nats://10.0.0.1:4222']);
  expect(failed.code).not.toBe(0);
  expect(failed.stderr).toContain('putting everything back as it was');
  const left = await everything(to);
  // Which every host has.
  const isEveryHosts = (path: string): boolean => ['opt', 'etc', 'usr/local/bin'].includes(path);
  expect(left.filter(path => !before.includes(path) && !isEveryHosts(path))).toEqual([]);
});

test('--purge without --uninstall is refused', async () => {
  const to = await temporaryDirectory();
  const refused = await install(to, [
    '--purge',
    '--node',
    process.execPath,
    '--nats',
    'nats://10.0.0.1:4222',
  ]);
  expect(refused).toMatchObject({ code: 2, stderr: 'install.sh: --purge goes with --uninstall\n' });
  expect(await readdir(to)).toEqual([]);
});

test('--dry-run tells what would be done and does nothing', async () => {
  const to = await temporaryDirectory();
  const told = await install(to, ['--dry-run', '--node', process.execPath, '--nats', 'nats://10.0.0.1:4222']);
  expect(told).toMatchObject({ code: 0, stderr: '' });
  expect(told.stdout).toContain('writing /usr/local/lib/systemd/system/ccli-coordinator.service');
  expect(told.stdout).toContain('nothing was changed');
  expect(await readdir(to)).toEqual([]);
});

test('--uninstall removes the programs and keeps what is the operator’s, --purge takes that too', async () => {
  const to = await temporaryDirectory();
  await install(to, ['--node', process.execPath, '--nats-server', await natsServer()]);
  const files = async (): Promise<string[]> =>
    (await everything(to)).filter(path => /\.(ya?ml|conf|service)$|bin\/ccli/.test(path));
  expect(await install(to, ['--uninstall'])).toMatchObject({ code: 0 });
  expect(await files()).toEqual([
    'etc/ccli/config.yaml',
    'etc/ccli/coordinator.yaml',
    'etc/ccli/nats-server.conf',
  ]);
  await install(to, ['--uninstall', '--purge']);
  expect(await files()).toEqual([]);
});

test.each([
  ['a Node that is too old', { node: 'echo 18.20.0' }, 'Node 18.20.0; 20.19 is the oldest'],
  ['what is no Node', { node: 'exit 1' }, 'is no Node that runs here'],
  [
    'a nats-server that can lose tasks',
    { nats: 'echo "nats-server: v2.9.10"' },
    '2.14 is the oldest to rely on',
  ],
  ['what is no nats-server', { nats: 'echo hello' }, 'is no nats-server that runs here'],
])(
  '%s is refused before anything is done',
  async (_, { node, nats }: { node?: string; nats?: string }, told) => {
    const to = await temporaryDirectory();
    const directory = await temporaryDirectory();
    const stand_in = join(directory, 'program');
    await writeFile(stand_in, `#!/bin/sh\n${node ?? nats ?? ''}\n`);
    await chmod(stand_in, 0o755);
    const flags =
      node === undefined ? ['--node', process.execPath, '--nats-server', stand_in] : ['--node', stand_in];
    const { code, stderr } = await install(to, flags);
    expect({ code, stderr }).toEqual({ code: 7, stderr: expect.stringContaining(told) as string });
    expect(await readdir(to)).toEqual([]);
  },
);

test('an option that it does not know is refused', async () => {
  expect(await install(await temporaryDirectory(), ['--all'])).toMatchObject({ code: 2 });
});
