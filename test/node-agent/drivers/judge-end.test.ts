import { expect, test } from 'vitest';
import { judgeEnd } from '../../../node-agent/drivers/judge-end.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { readAgent } from './fixture.ts';

const exit = { code: 1, signal: null, stderr: 'Not logged in. Please run /login\n' };
const claude = async () => readAgent(await temporaryDirectory(), { agent_type: 'cli_claude' }, {});

test('a process says with its last words that it is not signed in, before it has had a prompt', async () => {
  expect(judgeEnd(await claude(), exit).code).toBe('cli_not_signed_in');
});

test('what a process says that had several prompts is no evidence, and is not told', async () => {
  const error = judgeEnd(await claude(), { ...exit, shared: true });
  expect(error.code).toBe('cli_crashed');
  expect(error.cause).toBeUndefined();
});

test.each([
  'why does it say "Not logged in"?',
  'please run /LOGIN for me',
  'first\nNot logged in. Please run /login\nlast',
])('a prompt that holds such words takes their meaning from them: %o', async prompt => {
  expect(judgeEnd(await claude(), exit, prompt).code).toBe('cli_crashed');
});
