/** `ccli node-agent check` on real tools, a real server and real files. */
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { describe, expect, onTestFinished, test } from 'vitest';
import { stringify } from 'yaml';
import { runCheck } from '../../../node-agent/check/check.ts';
import { judgeDisk } from '../../../node-agent/check/disk.ts';
import { judgeNodeJs } from '../../../node-agent/check/node-js.ts';
import { type Finding, type NodeCheck, NodeCheckSchema } from '../../../protocol/finding.ts';
import { scriptedAgent, testNode } from '../../support/fleet.ts';
import { startGeminiStub } from '../../support/gemini-stub.ts';
import { testNats } from '../../support/nats-server.ts';
import { makeNvmHome } from '../../support/node-builds.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

interface Checked extends NodeCheck {
  readonly exit: number;
  readonly of: (check: string) => Finding[];
}

const MIB = 1024 * 1024;

async function configFile(settings: Record<string, unknown>): Promise<string> {
  const directory = await temporaryDirectory();
  const file = join(directory, 'node-agent.yaml');
  await writeFile(file, stringify({ node: 'walnut', state_dir: join(directory, 'state'), ...settings }));
  return file;
}

async function check(config_file: string | undefined): Promise<Checked> {
  const stdout = new PassThrough();
  const exit = await runCheck({ config_file, json: true, stdout });
  const document = NodeCheckSchema.parse(JSON.parse(await text(stdout.end())));
  return { ...document, exit, of: name => document.checks.filter(one => one.check === name) };
}

describe('the check of a node', () => {
  test('finds a node well whose daemon runs: file, directory, disk, the real gemini under its Node, and NATS', async () => {
    const stub = await startGeminiStub();
    onTestFinished(() => stub.close());
    const nats = await testNats();
    const nvm_dir = await makeNvmHome(await temporaryDirectory(), {
      versions: ['22.14.0'],
      gemini: ['22.14.0'],
      aliases: { default: '22' },
    });
    const state_dir = await temporaryDirectory();
    const agents = [
      { id: 'walnut-gemini', agent_type: 'cli_gemini', node_version: 'v22.14.0', env: stub.environment },
    ];
    const settings = { agents, nvm_dir, state_dir, nats: { url: nats.url } };
    await testNode(nats, { state_dir, agents, settings: { nvm_dir } });
    const before = (await readdir(tmpdir())).filter(name => name.startsWith('ccli-check-'));
    const found = await check(await configFile(settings));
    expect(found.checks.filter(({ outcome }) => outcome !== 'ok')).toEqual([]);
    expect(found).toMatchObject({ exit: 0, worst: 'ok', node: 'walnut' });
    expect(found.of('agent')[0]?.says).toMatch(
      /^cli_gemini \d+\.\d+\.\d+.*under Node 22\.14\.0, signed in\.$/,
    );
    expect(found.of('nvm')[0]?.says).toContain('v22.14.0');
    expect(found.of('daemon')[0]?.says).toContain(String(process.pid));
    expect(found.of('nats')[0]?.took_ms).toBeGreaterThan(0);
    expect((await readdir(tmpdir())).filter(name => name.startsWith('ccli-check-'))).toEqual(before);
    expect(stub.requests.length).toBe(0);
  });

  test('a configuration that is none is the one failure, and nothing that needs it is looked at', async () => {
    const found = await check(await configFile({ agents: [{ id: 'one' }], drain_timeout: 'never' }));
    expect(found).toMatchObject({ exit: 1, worst: 'fail' });
    expect(found.node).toBeUndefined();
    expect(found.of('config')).toMatchObject([{ outcome: 'fail', code: 'config_invalid' }]);
    expect(found.of('config')[0]?.says).toContain('drain_timeout');
    expect(found.of('node_js')).toMatchObject([{ outcome: 'ok' }]);
    expect(found.of('nats')).toMatchObject([{ outcome: 'skipped' }]);
  });

  test('each agent tells what is wrong with its own tool', async () => {
    const home = await temporaryDirectory();
    const file = await configFile({
      nvm_dir: await temporaryDirectory(),
      nats: { url: 'nats://127.0.0.1:9' },
      agents: [
        scriptedAgent('well'),
        { id: 'gone', agent_type: 'cli_generic', command: '/nowhere/tool' },
        { id: 'old', agent_type: 'cli_gemini', node_version: 'v18.0.0' },
        { id: 'out', agent_type: 'cli_gemini', home },
        { id: 'pinned', agent_type: 'cli_gemini', expected_version: '0.1.0', env: { GEMINI_API_KEY: 'k' } },
        { id: 'away', agent_type: 'ollama', model: 'llama3', endpoint: 'http://127.0.0.1:9' },
      ],
    });
    const found = await check(file);
    expect(found.exit).toBe(1);
    expect(found.of('agent').map(({ agent_id, outcome, code }) => [agent_id, code ?? outcome])).toEqual([
      ['well', 'ok'],
      ['gone', 'cli_missing'],
      ['old', 'node_version_missing'],
      ['out', 'cli_not_signed_in'],
      ['pinned', 'version_mismatch'],
      ['away', 'endpoint_unreachable'],
    ]);
    expect(found.of('nats')).toMatchObject([{ outcome: 'fail', code: 'nats_unreachable' }]);
    expect(found.of('daemon')).toMatchObject([{ outcome: 'warn' }]);
    expect(found.of('nvm')).toMatchObject([{ outcome: 'skipped' }]);
    for (const { mend, outcome } of found.checks)
      if (outcome === 'warn' || outcome === 'fail') expect(mend).toBeTruthy();
  });

  test('a secret that everybody can read is worth a look, and is not shown', async () => {
    const nats = await testNats();
    const directory = await temporaryDirectory();
    const token_file = join(directory, 'token');
    await writeFile(token_file, 'hush-hush');
    await chmod(token_file, 0o644);
    const file = await configFile({ agents: [scriptedAgent('one')], nats: { url: nats.url, token_file } });
    const found = await check(file);
    expect(found.of('config')).toMatchObject([{ outcome: 'warn', mend: `Run \`chmod 600 ${token_file}\`.` }]);
    expect(JSON.stringify(found)).not.toContain('hush-hush');
    expect(found.exit).toBe(9);
  });

  test('a state directory that is a file is a failure', async () => {
    const state_dir = join(await temporaryDirectory(), 'state');
    await writeFile(state_dir, '');
    const found = await check(await configFile({ state_dir, nats: { url: 'nats://127.0.0.1:9' } }));
    expect(found.of('state')).toMatchObject([{ outcome: 'fail', code: 'permission_denied' }]);
  });

  test('changes nothing: a directory that is not there yet stays so', async () => {
    const directory = await temporaryDirectory();
    await mkdir(join(directory, 'home'));
    const found = await check(
      await configFile({ state_dir: join(directory, 'home', 'state'), nats: { url: 'nats://127.0.0.1:9' } }),
    );
    expect(found.of('state')).toMatchObject([{ outcome: 'ok' }]);
    expect(await readdir(join(directory, 'home'))).toEqual([]);
  });

  test('for people is a line a finding, and what to do below it', async () => {
    const stdout = new PassThrough();
    const config_file = await configFile({ nats: { url: 'nats://127.0.0.1:9' } });
    const exit = await runCheck({ config_file, json: false, stdout });
    const shown = await text(stdout.end());
    expect(exit).toBe(1);
    expect(shown).toMatch(/^ok {6}config: /);
    expect(shown).toMatch(/fail {4}nats: NATS does not answer.*\n {8}\S/);
  });
});

describe('values', () => {
  const disk = { max_output_bytes: 8 * MIB, state_dir: '/state' };

  test.each([
    [50, 'fail'],
    [72, 'fail'],
    [73, 'warn'],
    [1_023, 'warn'],
    [1_024, 'ok'],
  ])('a disk with %i MiB left is %s', (mib, outcome) => {
    expect(judgeDisk({ ...disk, free_bytes: mib * MIB }).outcome).toBe(outcome);
  });

  test.each([
    ['v20.18.9', 'fail'],
    ['v20.19.0', 'ok'],
    ['v22.14.0', 'ok'],
    ['v18.20.0', 'fail'],
  ])('Node %s is %s', (version, outcome) => {
    expect(judgeNodeJs(version, '/node').outcome).toBe(outcome);
  });
});
