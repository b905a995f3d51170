import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findSignIn, notSignedIn, saysSignedOut } from '../../../node-agent/presets/sign-in.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const claude = { agent_type: 'cli_claude' } as const;
const onLinux = process.platform === 'darwin' ? 'unknown' : 'no';

async function home(files: Readonly<Record<string, string>> = {}): Promise<{ HOME: string }> {
  const HOME = await temporaryDirectory();
  await mkdir(join(HOME, '.claude'));
  for (const [name, text] of Object.entries(files)) await writeFile(join(HOME, '.claude', name), text);
  return { HOME };
}

describe('a sign-in', () => {
  it('is found in a variable that is not empty', async () => {
    expect(await findSignIn(claude, { ...(await home()), ANTHROPIC_API_KEY: 'k' })).toBe('yes');
    expect(await findSignIn(claude, { ...(await home()), ANTHROPIC_API_KEY: '' })).toBe(onLinux);
  });

  it('is found in a file, at home or where a variable says', async () => {
    const environment = await home({ '.credentials.json': '{}' });
    expect(await findSignIn(claude, environment)).toBe('yes');
    expect(await findSignIn(claude, { CLAUDE_CONFIG_DIR: join(environment.HOME, '.claude') })).toBe('yes');
    expect(await findSignIn(claude, { ...environment, CLAUDE_CONFIG_DIR: '/nowhere' })).toBe(onLinux);
    expect(await findSignIn(claude, {})).toBe(onLinux);
  });

  it('is found in settings only where they speak of it', async () => {
    expect(await findSignIn(claude, await home({ 'settings.json': '{}' }))).toBe(onLinux);
    const settings = '{"apiKeyHelper": "/bin/key"}';
    expect(await findSignIn(claude, await home({ 'settings.json': settings }))).toBe('yes');
  });

  it('that may lie where nobody can look is not called missing', async () => {
    for (const agent_type of ['cli_antigravity', 'cli_opencode', 'cli_generic'] as const)
      expect(await findSignIn({ agent_type }, await home())).toBe('unknown');
  });
});

it.each([
  ['cli_antigravity', "Error: authentication required. Run 'agy' to log in, then retry."],
  ['cli_antigravity', 'You are not logged into Antigravity.'],
  ['cli_claude', 'Not logged in · Please run /login'],
  ['cli_qwen', 'No auth type is selected. Please configure an auth type'],
  ['cli_codex', 'unexpected status 401 Unauthorized'],
] as const)('%s says that it is not signed in: %s', (agent_type, text) => {
  expect(saysSignedOut({ agent_type }, text)).toBe(true);
  expect(saysSignedOut({ agent_type }, 'boiler exploded')).toBe(false);
  expect(saysSignedOut({ agent_type: 'cli_generic' }, text)).toBe(false);
});

it('that is missing is told with what to do', () => {
  const known = notSignedIn({ id: 'walnut-claude', ...claude });
  expect(known.code).toBe('cli_not_signed_in');
  expect(known.message).toMatch(/"walnut-claude".*ANTHROPIC_API_KEY/);
  expect(notSignedIn({ id: 'x', agent_type: 'cli_generic' }).message).toContain('pass_env');
});
