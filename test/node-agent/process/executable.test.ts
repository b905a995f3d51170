import { chmod, mkdir, realpath, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findExecutable } from '../../../node-agent/process/executable.ts';
import { root } from '../../support/built.ts';
import { makeNvmHome } from '../../support/node-builds.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { failure } from '../drivers/fixture.ts';

const gemini = { id: 'g', agent_type: 'cli_gemini' } as const;
const script = join(root, 'node_modules/@google/gemini-cli/bundle/gemini.js');

async function program(directory: string, name: string, text: string): Promise<string> {
  const file = join(directory, name);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
  await chmod(file, 0o755);
  return file;
}

describe('gemini', () => {
  it('is found in our own installation when there is no other', async () => {
    const nvm_dir = await temporaryDirectory();
    expect(await findExecutable(gemini, { nvm_dir, environment: {} })).toEqual({
      file: process.execPath,
      args: [script],
      path: script,
      version: '0.61.0',
      node: { version: process.version, node: process.execPath, bin: dirname(process.execPath) },
    });
  });

  it('is found under the Node that each agent names, and runs under that Node', async () => {
    const nvm_dir = await makeNvmHome(await temporaryDirectory(), {
      versions: ['22.14.0', '22.17.0'],
      gemini: ['22.14.0', '22.17.0'],
    });
    for (const version of ['22.14.0', '22.17.0']) {
      const found = await findExecutable({ ...gemini, node_version: version }, { nvm_dir, environment: {} });
      expect(found).toMatchObject({
        file: join(nvm_dir, `versions/node/v${version}/bin/node`),
        args: [script],
        version: '0.61.0',
        node: { version: `v${version}` },
      });
    }
  });

  it("is found under nvm's default when the agent names no Node, before PATH", async () => {
    const nvm_dir = await makeNvmHome(await temporaryDirectory(), {
      versions: ['22.14.0'],
      gemini: ['22.14.0'],
      aliases: { default: '22' },
    });
    const path = await temporaryDirectory();
    await program(path, 'gemini', '#!/bin/sh\n');
    const found = await findExecutable(gemini, { nvm_dir, environment: { PATH: path } });
    expect(found.node.version).toBe('v22.14.0');
    const other = await findExecutable(gemini, {
      nvm_dir: await temporaryDirectory(),
      environment: { PATH: path },
    });
    expect(other).toMatchObject({ file: join(path, 'gemini'), args: [] });
  });
});

describe('any program', () => {
  const tool = { id: 't', agent_type: 'cli_generic' } as const;

  it('that is a binary runs as it is, under the name it was found by', async () => {
    const directory = await temporaryDirectory();
    await symlink('/bin/sh', join(directory, 'my-shell'));
    const environment = { PATH: `relative:${directory}` };
    const found = await findExecutable({ ...tool, command: 'my-shell' }, { environment, nvm_dir: directory });
    expect(found).toMatchObject({
      file: join(directory, 'my-shell'),
      args: [],
      path: await realpath('/bin/sh'),
    });
    expect(found.version).toBeUndefined();
  });

  it('that is a Node script by its first line or its name runs under Node, with its version', async () => {
    const home = await temporaryDirectory();
    await writeFile(join(home, 'package.json'), '{"name": "tool", "version": "1.2.3"}');
    const first = await program(home, 'bin/tool', '#!/usr/bin/env -S node\n');
    const second = await program(home, 'bin/other.mjs', 'export {};\n');
    const place = { environment: { HOME: home }, nvm_dir: home };
    expect(await findExecutable({ ...tool, command: '~/bin/tool' }, place)).toMatchObject({
      file: process.execPath,
      args: [first],
      version: '1.2.3',
    });
    expect(await findExecutable({ ...tool, command: second }, place)).toMatchObject({ args: [second] });
  });

  it('of a package that hides its version has none', async () => {
    const home = await temporaryDirectory();
    const command = await program(home, 'node_modules/bare/cli.js', '');
    expect(
      (await findExecutable({ ...tool, command }, { environment: {}, nvm_dir: home })).version,
    ).toBeUndefined();
  });

  it('that is missing tells how to get it', async () => {
    const nvm_dir = await makeNvmHome(await temporaryDirectory(), { versions: ['22.14.0'] });
    const place = { nvm_dir, environment: { PATH: nvm_dir } };
    const claude = await failure(
      findExecutable({ id: 'c', agent_type: 'cli_claude', driver: 'headless', node_version: '22' }, place),
    );
    expect(claude.code).toBe('cli_missing');
    expect(claude.message).toContain('npm install -g @anthropic-ai/claude-code` under Node v22.14.0');
    expect(claude.message).toContain('"claude" of agent "c"');
    const adapter = await failure(findExecutable({ id: 'c', agent_type: 'cli_claude' }, place));
    expect(adapter.message).toContain('npm install -g @agentclientprotocol/claude-agent-acp');
    const named = await failure(findExecutable({ ...tool, command: 'nope' }, place));
    expect(named.message).toContain('mend `command`');
    expect((await failure(findExecutable({ ...tool, command: nvm_dir }, place))).code).toBe('cli_missing');
  });
});
