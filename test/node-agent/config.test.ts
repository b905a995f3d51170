import { writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { loadNodeConfig, type NodeConfig } from '../../node-agent/config.ts';
import type { Environment } from '../../protocol/daemon/settings.ts';
import { toErrorBody } from '../../protocol/errors.ts';
import { NAME_PATTERN } from '../../protocol/subjects.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

async function written(yaml: string): Promise<string> {
  const file = join(await temporaryDirectory(), 'node-agent.yaml');
  await writeFile(file, yaml);
  return file;
}

const load = async (settings: unknown, environment: Environment = {}): Promise<NodeConfig> =>
  loadNodeConfig(await written(stringify(settings)), environment);

/** What a person is shown: the sentence and its cause. */
function refusal(load: () => unknown): string {
  try {
    load();
  } catch (error) {
    const { code, message, cause = '' } = toErrorBody(error);
    expect(code).toBe('config_invalid');
    return `${message} ${cause}`;
  }
  throw new Error('nothing was wrong');
}

async function complaint(yaml: string, environment: Environment = {}): Promise<string> {
  const file = await written(yaml);
  const text = refusal(() => loadNodeConfig(file, environment));
  expect(text).toContain(file);
  return text;
}

const gemini = { id: 'walnut-gemini', agent_type: 'cli_gemini' };

describe('a configuration', () => {
  test('needs no file at all', () => {
    const config = loadNodeConfig(undefined, {});
    expect(config).toMatchObject({
      prefix: 'ccli',
      nats: { url: 'nats://127.0.0.1:4222' },
      log_level: 'info',
      advert_interval: 5_000,
      drain_timeout: 30_000,
      max_output: 8 * 1024 * 1024,
      agents: [],
    });
    expect(config.node).toMatch(NAME_PATTERN);
    expect(config.state_dir.startsWith(homedir())).toBe(true);
  });

  test('gives an agent 300 s, two slots, no tools and the driver of its type', async () => {
    const { agents } = await load({
      agents: [gemini, { id: 'other', agent_type: 'cli_generic', command: './answer' }],
    });
    expect(agents).toMatchObject([
      {
        id: 'walnut-gemini',
        driver: 'acp',
        timeout: 300_000,
        max_concurrent: 2,
        specialty: ['general_ai'],
        priority: 0,
        tool_policy: 'deny',
        max_prompt: 4 * 1024 * 1024,
        max_sessions: 100,
        max_age: 6 * 3_600_000,
        max_memory: 1.5 * 1024 ** 3,
        health_interval: 30_000,
        args: [],
        env: {},
        pass_env: [],
        labels: {},
      },
      { id: 'other', driver: 'headless', max_prompt: 8 * 1024 * 1024 },
    ]);
  });

  test('watches for silence where the driver shows signs of life, and elsewhere only when told', async () => {
    const command = './answer';
    const { agents } = await load({
      agents: [
        gemini,
        { ...gemini, id: 'cold', driver: 'headless' },
        { id: 'other', agent_type: 'cli_generic', command },
        { id: 'spoken', agent_type: 'cli_opencode', driver: 'acp', command },
        { id: 'told', agent_type: 'cli_generic', command, idle_timeout: '5m' },
      ],
    });
    expect(agents.map(agent => agent.idle_timeout)).toEqual([180_000, 180_000, undefined, 180_000, 300_000]);
  });

  test('takes every setting as people write it', async () => {
    const config = await load({
      node: 'ironwood',
      prefix: 'lab',
      nats: { url: 'tls://nats:4222', credentials_file: '~/ccli.creds' },
      state_dir: '/var/lib/ccli',
      advert_interval: '2s',
      max_output: '1MiB',
      drain_timeout: '5m',
      agents: [
        {
          ...gemini,
          driver: 'headless',
          timeout: '10m',
          max_prompt: '64KiB',
          specialty: 'kernel_dev',
          labels: { gpu: 'a100' },
          cwd: '~',
          tool_policy: 'auto_edit',
        },
      ],
    });
    expect(config).toMatchObject({
      node: 'ironwood',
      prefix: 'lab',
      nats: { url: 'tls://nats:4222', credentials_file: join(homedir(), 'ccli.creds') },
      state_dir: '/var/lib/ccli',
      advert_interval: 2_000,
      max_output: 1_048_576,
      drain_timeout: 300_000,
      agents: [
        {
          driver: 'headless',
          timeout: 600_000,
          max_prompt: 65_536,
          specialty: ['kernel_dev'],
          cwd: homedir(),
        },
      ],
    });
  });

  test('may leave sections empty', async () => {
    const file = await written('node: walnut\nnats:\n  # url: nats://elsewhere:4222\nagents:\n');
    expect(loadNodeConfig(file, {})).toMatchObject({ nats: { url: 'nats://127.0.0.1:4222' }, agents: [] });
  });
});

describe('the environment', () => {
  test('goes over the file, setting by setting', async () => {
    const settings = {
      node: 'walnut',
      log_level: 'warn',
      nats: { url: 'nats://file:4222', credentials_file: '/file.creds' },
    };
    const environment = {
      CCLI_NODE: 'ironwood',
      CCLI_NATS_URL: 'nats://environment:4222',
      CCLI_PREFIX: 'lab',
      CCLI_STATE_DIR: '/state',
    };
    expect(await load(settings, environment)).toMatchObject({
      node: 'ironwood',
      log_level: 'warn',
      prefix: 'lab',
      state_dir: '/state',
      nats: { url: 'nats://environment:4222', credentials_file: '/file.creds' },
      environment,
    });
  });

  test('leaves the file alone where a variable is empty', async () => {
    const environment = { CCLI_NODE: '', CCLI_NATS_URL: '' };
    const config = await load({ node: 'walnut', nats: { url: 'nats://file:4222' } }, environment);
    expect(config).toMatchObject({ node: 'walnut', nats: { url: 'nats://file:4222' } });
  });

  test('tells where nvm is, unless the file does', async () => {
    const environment = { NVM_DIR: '/home/op/.nvm' };
    expect((await load({}, environment)).nvm_dir).toBe('/home/op/.nvm');
    expect((await load({ nvm_dir: '/opt/nvm' }, environment)).nvm_dir).toBe('/opt/nvm');
  });

  test('is checked like the file', () => {
    expect(() => loadNodeConfig(undefined, { CCLI_NODE: 'Not A Name' })).toThrow(
      /^The environment is not a valid configuration:\n {2}node: /,
    );
  });
});

describe('what is wrong', () => {
  test('is told all at once, each with its place', async () => {
    const message = await complaint(
      stringify({
        node: 'WALNUT',
        colour: 'brown',
        advert_interval: 5,
        nats: { uri: 'nats://127.0.0.1:4222' },
        max_output: '1GiB',
        agents: [
          { id: 'a', agent_type: 'cli_gemni' },
          { ...gemini, timeout: '300', max_concurrent: 0, specialty: 'cooking' },
        ],
      }),
    );
    const places = message
      .split('\n')
      .slice(1)
      .map(line => /^ {2}([^:]+): ./.exec(line)?.[1]);
    expect(places).toEqual(
      expect.arrayContaining([
        'node',
        'advert_interval',
        'nats',
        'max_output',
        'agents.0.agent_type',
        'agents.1.timeout',
        'agents.1.max_concurrent',
        'agents.1.specialty',
        '(file)',
      ]),
    );
    expect(message).toContain('"colour"');
    expect(message).toContain('"uri"');
  });

  test.each([
    ['two agents of one id', { agents: [gemini, gemini] }, /agents: two agents have the same id/],
    [
      'a generic agent without a command',
      { agents: [{ id: 'a', agent_type: 'cli_generic' }] },
      /agents\.0\.command: /,
    ],
    [
      'an ollama agent without a model',
      { agents: [{ id: 'a', agent_type: 'ollama' }] },
      /agents\.0\.model: /,
    ],
    ['a timeout over a day', { agents: [{ ...gemini, timeout: '25h' }] }, /at most 24h/],
    ['a prompt limit over the ceiling', { agents: [{ ...gemini, max_prompt: '33MiB' }] }, /at most 32MiB/],
    ['a model that reads as an option', { agents: [{ ...gemini, model: '--yolo' }] }, /agents\.0\.model: /],
    ['such a model in a list', { agents: [{ ...gemini, models: ['-y'] }] }, /agents\.0\.models\.0: /],
    ['an unknown driver', { agents: [{ ...gemini, driver: 'telepathy' }] }, /agents\.0\.driver: /],
    ['a server given without its name', { nats: 'nats://127.0.0.1:4222' }, /nats: /],
    ['a prefix with a dot', { prefix: 'a.b' }, /prefix: /],
  ])('is named: %s', async (_what, settings, expected) => {
    expect(await complaint(stringify(settings))).toMatch(expected);
  });

  test('in the file is told even where the environment would go over it', async () => {
    const environment = { CCLI_NATS_URL: 'nats://environment:4222' };
    expect(await complaint('nats: nats://127.0.0.1:4222', environment)).toMatch(/nats: /);
  });

  test.each([
    ['no YAML', 'agents: [', /cannot be read/],
    ['a list', '- node: walnut', /expected settings/],
    ['a word', 'walnut', /expected settings/],
    ['a setting twice', 'node: a\nnode: b', /cannot be read.*unique/],
  ])('with the file as a whole is told: %s', async (_what, yaml, expected) => {
    expect(await complaint(yaml)).toMatch(expected);
  });

  test('with a file that is not there is told by its name', () => {
    expect(refusal(() => loadNodeConfig('/nowhere/node-agent.yaml', {}))).toMatch(
      /\/nowhere\/node-agent\.yaml cannot be read.*ENOENT/,
    );
  });
});
