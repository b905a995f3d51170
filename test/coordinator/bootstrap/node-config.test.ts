import { expect, test } from 'vitest';
import { amendConfig, newConfig, readConfig } from '../../../coordinator/bootstrap/node-config.ts';
import { CcliError } from '../../../protocol/errors.ts';

test('a new file has one gemini agent, and names secrets without holding any', () => {
  const text = newConfig('walnut', {
    nats_url: 'nats://10.0.0.2:4222',
    node_version: 'v22.14.0',
    nats_credentials: 'nats.creds',
    gemini_api_key: 'gemini-api-key',
  });
  expect(
    text,
  ).toBe(`# Written by \`ccli bootstrap\`. Edit it as you like: it is never overwritten without --force-config.
node: walnut
nats:
  url: nats://10.0.0.2:4222
  credentials_file: credential:nats.creds
agents:
  - id: walnut-gemini
    agent_type: cli_gemini
    node_version: v22.14.0
    env_files:
      GEMINI_API_KEY: credential:gemini-api-key
`);
});

test('only what was asked for changes, comments and layout stay', () => {
  const text = `# ours
node: walnut # the big one
nats: { url: "nats://a:4222" }

agents:
  - { id: one, agent_type: ollama, model: x }
  - id: two
    agent_type: cli_gemini
    node_version: v22.14.0
`;
  expect(amendConfig(text, {})).toBe(text);
  expect(amendConfig(text, { nats_url: 'nats://a:4222', node: 'walnut' })).toBe(text);
  const changed = amendConfig(text, { nats_url: 'nats://b:4222', node_version: 'v22.17.0' });
  expect(changed).toContain('# ours');
  expect(changed).toContain('# the big one');
  expect(changed).toContain('nats://b:4222');
  expect(changed).toContain('node_version: v22.17.0');
  expect(changed).not.toContain('22.14.0');
});

test('tells what a bootstrap must know of a file', () => {
  const text = newConfig('walnut', { nats_url: 'nats://a:4222' });
  const other = '  - {id: other, agent_type: cli_generic, cwd: ~/work, home: /srv/cli}';
  expect(readConfig(`${text}${other}\ndrain_timeout: 5m\nstate_dir: ~/state\n`)).toEqual({
    node: 'walnut',
    prefix: undefined,
    nats_url: 'nats://a:4222',
    state_dir: '~/state',
    drain_timeout_ms: 300_000,
    agents: [
      { id: 'walnut-gemini', agent_type: 'cli_gemini' },
      { id: 'other', agent_type: 'cli_generic' },
    ],
    directories: ['~/work', '/srv/cli'],
    gemini: { node_version: undefined, own_command: false, own_sign_in: false },
  });
  expect(readConfig('').agents).toEqual([]);
});

test.each(['a: [', '- one\n- two\n'])('refuses what is no file of settings: %j', text => {
  expect(() => readConfig(text)).toThrow(CcliError);
});
