/** What ships must hold for each preset, whichever drivers it has. */
import { join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import { CLI_TYPES } from '../../../node-agent/agent-config/cli-type.ts';
import {
  acpModeOf,
  argumentsOf,
  fixedArguments,
  printModeOf,
  programOf,
} from '../../../node-agent/presets/effective.ts';
import type { CliDriver, Preset } from '../../../node-agent/presets/preset.ts';
import { PRESETS, presetAnnouncing } from '../../../node-agent/presets/table.ts';
import { childEnvironment } from '../../../node-agent/process/environment.ts';
import { TOOL_POLICIES } from '../../../protocol/agent.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { failure, makeDriver, readAgent } from '../drivers/fixture.ts';

const shipped = CLI_TYPES.flatMap(type => {
  const preset = PRESETS[type];
  return preset === undefined ? [] : [{ type, preset }];
});
const served = shipped.flatMap(({ type, preset }) =>
  (['acp', 'headless'] as const)
    .filter(driver => preset[driver] !== undefined)
    .map(driver => ({ type, preset, driver })),
);
const never = new AbortController().signal;
const read = async (type: string, agent: object = {}) =>
  readAgent(await temporaryDirectory(), { agent_type: type, ...agent }, {});

test('there is one for every CLI that has a type of its own', () => {
  expect(shipped.map(({ type }) => type)).toEqual(CLI_TYPES.filter(type => type !== 'cli_generic'));
});

describe.each(shipped)('$type', ({ type, preset }) => {
  it('needs nothing but its type', async () => {
    expect(await read(type)).toMatchObject({ agent_type: type, driver: preset.driver });
  });

  it('tells what its sign-in needs and how far each driver was tried', () => {
    expect(preset.sign_in.how).not.toBe('');
    for (const driver of ['acp', 'headless'] as const)
      expect(preset.verified[driver] !== undefined).toBe(preset[driver] !== undefined);
  });

  it('lets the CLI see every variable that its sign-in may need, and no other of the daemon', async () => {
    const named = Object.fromEntries(preset.sign_in.env.map(name => [name, 'x']));
    const agent = await read(type);
    const environment = childEnvironment({
      agent,
      policy: 'deny',
      environment: { ...named, HOME: '/home/op', SECRET: 's' },
      node_bin: '/bin',
    });
    expect(environment).toMatchObject({ ...named, ...preset.env });
    expect(Object.keys(environment)).not.toContain('SECRET');
  });

  it('gives way to what the operator says', async () => {
    const [name = 'none'] = Object.keys(preset.env ?? {});
    const agent = await read(type, {
      env: { [name]: 'mine', OPENCODE_PERMISSION: 'mine' },
      command: '/opt/x',
    });
    const environment = childEnvironment({ agent, policy: 'yolo', environment: {}, node_bin: '/bin' });
    expect(environment).toMatchObject({ [name]: 'mine', OPENCODE_PERMISSION: 'mine' });
    expect(agent.command).toBe('/opt/x');
  });
});

describe.each(served)('$type by $driver', ({ type, driver }) => {
  const given = { driver, args: ['--mine'], model: 'some-model' };

  it('is started with its own arguments first and the operator’s last', async () => {
    const agent = await read(type, given);
    for (const policy of TOOL_POLICIES) {
      const args = [...fixedArguments(agent), ...argumentsOf(agent, { model: 'other', policy })];
      expect(args.at(-1)).toBe('--mine');
      expect(args.join(' ')).not.toContain('{');
      if (programOf(agent)?.model_args !== undefined) expect(args.join(' ')).toContain('other');
    }
    expect(argumentsOf({ ...agent, args: [] }, { model: undefined, policy: 'deny' }).join(' ')).not.toContain(
      '--model',
    );
  });

  it('that is missing says which package brings it', async () => {
    const { driver: made } = await makeDriver({
      agent: { agent_type: type, driver, ...(type === 'cli_gemini' && { command: 'no-such-gemini' }) },
      environment: { PATH: '/nowhere' },
    });
    const error = await failure(made.probe(never));
    expect(error.code).toBe('cli_missing');
    expect(error.message).toContain(programOf({ agent_type: type, driver })?.install);
  });
});

test("how it prints and signs in is the operator's to change", async () => {
  const print = await read('cli_antigravity', { output: 'text' });
  expect(printModeOf(print)).toEqual({ prompt: 'stdin', output: 'text' });
  expect(printModeOf(await read('cli_antigravity'))).toMatchObject({ output: 'json', answer: 'response' });
  const codex = await read('cli_codex', { auth_method: 'chat-gpt', modes: { deny: 'agent' } });
  expect(acpModeOf(codex, 'deny')).toEqual({ auth_method: 'chat-gpt', mode: 'agent' });
  expect(acpModeOf(codex, 'auto_edit').mode).toBe('read-only');
});

test('a home that the operator names is told to a CLI that has a variable for it', async () => {
  const agent = await read('cli_codex', { home: '/srv/codex' });
  const environment = childEnvironment({ agent, policy: 'deny', environment: {}, node_bin: '/bin' });
  expect(environment['CODEX_HOME']).toBe('/srv/codex');
});

test('a Node too old for a CLI is told before it is started', async () => {
  const { makeNvmHome } = await import('../../support/node-builds.ts');
  const { mkdir, rename, writeFile } = await import('node:fs/promises');
  const directory = await temporaryDirectory();
  const nvm_dir = await makeNvmHome(directory, { versions: ['22.14.0'] });
  const versions = join(nvm_dir, 'versions/node');
  await mkdir(versions, { recursive: true });
  await rename(join(versions, 'v22.14.0'), join(versions, 'v18.0.0'));
  const command = join(directory, 'cli.mjs');
  await writeFile(command, '');
  const { driver } = await makeDriver({
    agent: { agent_type: 'cli_qwen', command, node_version: '18' },
    nvm_dir,
  });
  const error = await failure(driver.probe(never));
  expect(error.code).toBe('node_version_missing');
  expect(error.message).toContain('Node 20 or newer');
});

test('a CLI is known by the name it says', () => {
  const names = shipped.flatMap(({ preset }): string[] =>
    preset.announces === undefined ? [] : [preset.announces],
  );
  expect(new Set(names).size).toBe(names.length);
  expect(presetAnnouncing('OpenCode')).toBe(PRESETS.cli_opencode satisfies Preset | undefined);
  expect(presetAnnouncing(undefined)).toBeUndefined();
  expect(served.map(({ driver }): CliDriver => driver)).toContain('acp');
});
