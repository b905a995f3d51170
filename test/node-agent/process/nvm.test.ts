import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { defaultNode, nvmDirectory, resolveNode } from '../../../node-agent/process/nvm.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { failure } from '../drivers/fixture.ts';

/** An nvm home whose Nodes are empty programs: only their names matter here. */
async function nvmHome(
  versions: readonly string[],
  aliases: Readonly<Record<string, string>> = {},
): Promise<string> {
  const root = await temporaryDirectory();
  for (const version of versions) {
    const bin = join(root, 'versions', 'node', version, 'bin');
    await mkdir(bin, { recursive: true });
    await writeFile(join(bin, 'node'), '#!/bin/sh\n', { mode: 0o755 });
  }
  await mkdir(join(root, 'alias', 'lts'), { recursive: true });
  for (const [name, text] of Object.entries(aliases)) await writeFile(join(root, 'alias', name), text);
  return root;
}

const installed = ['v20.9.0', 'v22.9.0', 'v22.14.0', 'v22.17.0'];
const environment = {};

describe('a Node version named in the configuration', () => {
  it.each([
    ['v22.14.0', 'v22.14.0'],
    ['22.14.0', 'v22.14.0'],
    ['22', 'v22.17.0'],
    ['22.9', 'v22.9.0'],
    ['node', 'v22.17.0'],
    ['stable', 'v22.17.0'],
    ['work', 'v20.9.0'],
    ['lts/*', 'v22.14.0'],
    ['lts/jod', 'v22.14.0'],
  ])('"%s" is %s', async (wanted, version) => {
    const nvm_dir = await nvmHome(installed, {
      work: '20 # for work\nignored\n',
      'lts/*': 'lts/jod\n',
      'lts/jod': 'v22.14.0\n',
    });
    const bin = join(nvm_dir, 'versions', 'node', version, 'bin');
    expect(await resolveNode(wanted, { nvm_dir, environment })).toEqual({
      version,
      bin,
      node: join(bin, 'node'),
    });
  });

  it.each(['18', '22.1', 'loop', '../../etc', 'no such alias', 'v22.99.0'])(
    'is an error that tells what there is: "%s"',
    async wanted => {
      const nvm_dir = await nvmHome(installed, { loop: 'pool\n', pool: 'loop\n' });
      const error = await failure(resolveNode(wanted, { nvm_dir, environment }));
      expect(error.code).toBe('node_version_missing');
      expect(error.message).toContain('v22.17.0, v22.14.0, v22.9.0, v20.9.0');
      expect(error.message).toContain(`nvm install ${wanted}`);
    },
  );

  it('is an error where nothing is installed, or only half of it', async () => {
    const nvm_dir = await nvmHome([]);
    await mkdir(join(nvm_dir, 'versions', 'node', 'v22.14.0'), { recursive: true });
    const error = await failure(resolveNode('22', { nvm_dir, environment }));
    expect(error.message).toContain('no version is installed there');
    expect(await defaultNode({ nvm_dir, environment })).toBeUndefined();
  });
});

describe('the version of a new shell', () => {
  it('is the default alias, or the newest there is', async () => {
    const nvm_dir = await nvmHome(installed, { default: 'v20.9.0' });
    expect((await defaultNode({ nvm_dir, environment }))?.version).toBe('v20.9.0');
    const bare = await nvmHome(installed);
    expect((await defaultNode({ nvm_dir: bare, environment }))?.version).toBe('v22.17.0');
  });
});

it('nvm is found by configuration, by NVM_DIR, or in the home directory', () => {
  expect(nvmDirectory({ nvm_dir: '/a', environment: { NVM_DIR: '/b', HOME: '/c' } })).toBe('/a');
  expect(nvmDirectory({ environment: { NVM_DIR: '/b', HOME: '/c' } })).toBe('/b');
  expect(nvmDirectory({ environment: { HOME: '/c' } })).toBe('/c/.nvm');
});
