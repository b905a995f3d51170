import { execFile } from 'node:child_process';
import { chmod, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { root } from '../../support/built.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const run = promisify(execFile);

/** Prints what it was given, a line each. */
const NODE = '#!/bin/sh\nprintf \'%s\\n\' "$@"\n';

interface Home {
  readonly home: string;
  readonly ccli: string;
  readonly program: string;
}

async function launcher(): Promise<Home> {
  const home = join(await temporaryDirectory(), "a 'home' -with $(false) größe");
  const version = join(home, '.local', 'share', 'ccli', 'versions', '1');
  const program = join(version, 'lib', 'node-agent', 'program.mjs');
  await runnable(
    join(version, 'bin', 'ccli'),
    await readFile(join(root, 'coordinator', 'bundle', 'launcher.sh'), 'utf8'),
  );
  await mkdir(dirname(program), { recursive: true });
  await writeFile(program, '');
  await symlink('versions/1', join(home, '.local', 'share', 'ccli', 'current'));
  await mkdir(join(home, '.local', 'bin'));
  const ccli = join(home, '.local', 'bin', 'ccli');
  await symlink('../share/ccli/current/bin/ccli', ccli);
  return { home, ccli, program };
}

async function runnable(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
  await chmod(path, 0o755);
}

async function choose(home: string, text: string): Promise<void> {
  await mkdir(join(home, '.config', 'ccli'), { recursive: true });
  await writeFile(join(home, '.config', 'ccli', 'node'), text);
}

/** Of the system, without a Node. */
async function plainPath(): Promise<string> {
  const bin = await temporaryDirectory();
  for (const name of ['dirname', 'readlink', 'sh']) await symlink(join('/usr/bin', name), join(bin, name));
  return bin;
}

describe('ccli on a host', () => {
  test.each(['sh', 'bash'])('hands every argument on as it is, by %s', async shell => {
    const { home, ccli, program } = await launcher();
    const node = join(home, 'no de', 'node');
    await runnable(node, NODE);
    for (const end of ['\n', '', '\nnot this\n']) {
      await choose(home, `${node}${end}`);
      const args = ['a b', '', "it's", '$HOME', '--', '*'];
      const { stdout } = await run(shell, [ccli, ...args], { env: { HOME: home, PATH: '/usr/bin:/bin' } });
      // The real place of the program: what runs keeps its own version.
      expect(stdout.split('\n')).toEqual([program, ...args, '']);
    }
  });

  test('takes the Node on PATH when none was chosen, also without a HOME', async () => {
    const { home, ccli, program } = await launcher();
    const bin = await plainPath();
    await runnable(join(bin, 'node'), NODE);
    for (const env of [{ HOME: home, PATH: bin }, { PATH: bin }])
      expect((await run(ccli, ['x'], { env })).stdout).toBe(`${program}\nx\n`);
  });

  test('says what to do when there is no Node, or the chosen one has gone', async () => {
    const { home, ccli } = await launcher();
    const env = { HOME: home, PATH: await plainPath() };
    await expect(run(ccli, [], { env })).rejects.toMatchObject({
      code: 127,
      stderr: expect.stringContaining('Install Node 20.19 or newer') as unknown,
    });
    for (const gone of [join(home, 'gone'), home, '']) {
      await choose(home, `${gone}\n`);
      await expect(run(ccli, [], { env })).rejects.toMatchObject({
        code: 127,
        stderr: expect.stringContaining('ccli bootstrap') as unknown,
      });
    }
  });

  test('is found by its name on PATH, and from any directory', async () => {
    const { home, program } = await launcher();
    const bin = await plainPath();
    await runnable(join(bin, 'node'), NODE);
    const PATH = `${join(home, '.local', 'bin')}:${bin}`;
    const { stdout } = await run('ccli', ['x'], { env: { HOME: home, PATH, CDPATH: '/' }, cwd: '/' });
    expect(stdout).toBe(`${program}\nx\n`);
  });
});
