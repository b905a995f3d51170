import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makeGeminiHome } from '../../../node-agent/process/home.ts';
import type { ToolPolicy } from '../../../protocol/agent.ts';
import type { Environment } from '../../../protocol/daemon/settings.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { failure } from '../drivers/fixture.ts';

interface Case {
  readonly files?: Readonly<Record<string, string>>;
  readonly environment?: Environment;
  readonly policy?: ToolPolicy;
  readonly node_version?: string;
}

async function make({ files = {}, environment = {}, policy = 'deny', node_version = 'v22.14.0' }: Case) {
  const directory = await temporaryDirectory();
  const home = join(directory, 'operator', '.gemini');
  await mkdir(home, { recursive: true });
  for (const [name, text] of Object.entries(files)) await writeFile(join(home, name), text);
  const state_dir = join(directory, 'state');
  const agent = { id: 'one', home, env: {}, pass_env: [] };
  const made = await makeGeminiHome({ agent, environment, state_dir, policy, node_version });
  const settings: unknown = JSON.parse(await readFile(join(made.path, '.gemini', 'settings.json'), 'utf8'));
  return { ...made, settings, state_dir, inside: join(made.path, '.gemini') };
}

describe('the home of a gemini process', () => {
  it("starts from the operator's settings, and what the daemon depends on wins", async () => {
    const { settings } = await make({
      files: {
        'settings.json': `{
          // mine, with "quotes" and // slashes
          "general": { "maxAttempts": 10, "vimMode": true }, /* all of it */
          "ui": { "theme": "http://not-a-comment" },
          "model": { "disableLoopDetection": false },
          "mcpServers": { "files": { "command": "serve" } }
        }`,
      },
      environment: { GEMINI_API_KEY: 'key' },
      policy: 'yolo',
    });
    expect(settings).toMatchObject({
      general: { maxAttempts: 1, retryFetchErrors: false, vimMode: true, enableAutoUpdate: false },
      ui: { theme: 'http://not-a-comment' },
      model: { disableLoopDetection: false },
      security: { auth: { selectedType: 'gemini-api-key' } },
      mcpServers: { files: { command: 'serve' } },
    });
  });

  it('starts no servers of tools that no task may use', async () => {
    const { settings } = await make({
      files: { 'settings.json': '{"mcpServers": {"files": {"command": "serve"}}}' },
    });
    expect(settings).not.toHaveProperty('mcpServers');
    expect(settings).toMatchObject({ model: { disableLoopDetection: true } });
  });

  it('is private, tells the CLI where it is, and goes', async () => {
    const made = await make({});
    expect((await stat(made.path)).mode & 0o777).toBe(0o700);
    expect((await stat(join(made.inside, 'settings.json'))).mode & 0o777).toBe(0o600);
    expect(made.environment).toMatchObject({
      GEMINI_CLI_HOME: made.path,
      NODE_COMPILE_CACHE: join(made.state_dir, 'compile-cache', 'v22.14.0'),
    });
    await made.remove();
    expect(await readdir(join(made.state_dir, 'homes'))).toEqual([]);
    expect((await make({ node_version: 'v20.20.2' })).environment).not.toHaveProperty('NODE_COMPILE_CACHE');
  });

  it('uses a key from the environment, whatever the settings say, and copies no sign-in then', async () => {
    const files = {
      'settings.json': '{"security": {"auth": {"selectedType": "oauth-personal"}}}',
      'oauth_creds.json': 'secret',
    };
    const made = await make({ files, environment: { GEMINI_API_KEY: 'key' } });
    expect(made).toMatchObject({ auth: 'gemini-api-key', signed_in: 'yes' });
    expect(await readdir(made.inside)).toEqual(['settings.json']);
  });

  it('copies the sign-in that the settings name, readable by nobody else', async () => {
    const files = {
      'settings.json': '{"security": {"auth": {"selectedType": "oauth-personal"}}}',
      'oauth_creds.json': 'secret',
    };
    const made = await make({ files });
    expect(made).toMatchObject({ auth: 'oauth-personal', signed_in: 'yes' });
    expect((await stat(join(made.inside, 'oauth_creds.json'))).mode & 0o777).toBe(0o600);
  });

  it('knows what it cannot know about a sign-in', async () => {
    expect(await make({ environment: { GOOGLE_GENAI_USE_VERTEXAI: 'true' } })).toMatchObject({
      auth: 'vertex-ai',
      signed_in: 'unknown',
    });
    expect(await make({})).toMatchObject({ auth: 'gemini-api-key', signed_in: 'no' });
    expect(await make({ files: { '.env': 'export GEMINI_API_KEY=abc\n' } })).toMatchObject({
      signed_in: 'yes',
    });
  });

  it.each(['[1]', '{"a": '])('refuses settings that are none: %s', async text => {
    expect((await failure(make({ files: { 'settings.json': text } }))).code).toBe('config_invalid');
  });

  it('refuses what it may not read', async () => {
    const directory = await temporaryDirectory();
    await mkdir(join(directory, 'settings.json'));
    const error = await failure(
      makeGeminiHome({
        agent: { id: 'one', home: directory, env: {}, pass_env: [] },
        environment: {},
        state_dir: join(directory, 'state'),
        policy: 'deny',
        node_version: 'v22.14.0',
      }),
    );
    expect(error.code).toBe('config_invalid');
    expect(await readdir(join(directory, 'state', 'homes'))).toEqual([]);
  });
});
