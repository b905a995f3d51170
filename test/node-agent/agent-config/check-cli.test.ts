/** Settings that do not go together are told by their place, with what to write instead. */
import { expect, test } from 'vitest';
import { CliAgentConfigSchema } from '../../../node-agent/agent-config/cli.ts';

const generic = { id: 'one', agent_type: 'cli_generic', command: './answer' };
const acp = { ...generic, driver: 'acp' };

const complaints = (agent: object): string[] =>
  (CliAgentConfigSchema.safeParse(agent).error?.issues ?? []).map(
    ({ path, message }) => `${path.map(String).join('.')}: ${message}`,
  );

test.each([
  ['no command', { ...generic, command: undefined }, /^command: .*needs one/],
  ['a prompt in an argument', { ...generic, args: ['-p', '{prompt}'] }, /^args: .*prompt: stdin/],
  ['a file that no argument names', { ...generic, prompt: 'file' }, /^args: .*\{prompt_file\}/],
  ['an argument for a file there is not', { ...generic, args: ['{prompt_file}'] }, /^prompt: must be `file`/],
  ['a model that a task may not name', { ...generic, args: ['{model}'] }, /^model: needed/],
  ['JSON without a place', { ...generic, output: 'json' }, /^answer: /],
  ['a place without JSON', { ...generic, answer: 'a.b' }, /^answer: only with/],
  ['usage without JSON', { ...generic, usage: 'a' }, /^usage: only with/],
  ['a place that is none', { ...generic, output: 'json', answer: 'a..b' }, /^answer: names and numbers/],
  [
    'an exit code that is none',
    { ...generic, exit_codes: { x: 'rate_limited' } },
    /^exit_codes: "x" is not an exit code/,
  ],
  ['an exit code for a wrong meaning', { ...generic, exit_codes: { 3: 'internal' } }, /^exit_codes\.3: /],
  ['a sign-in method of a print mode', { ...generic, auth_method: 'key' }, /^auth_method: only/],
  ['a mode of a print mode', { ...generic, modes: { deny: 'plan' } }, /^modes: only/],
  ['a print mode over ACP', { ...acp, output: 'text' }, /^output: only/],
  ['a prompt file over ACP', { ...acp, args: ['{prompt_file}'] }, /^args: over ACP/],
  ['a driver that the CLI has not', { id: 'one', agent_type: 'cli_antigravity', driver: 'acp' }, /^driver: /],
  ['a home that cannot be told', { ...generic, home: '/srv' }, /^home: .*HOME in `env`/],
  [
    'how gemini prints',
    { id: 'one', agent_type: 'cli_gemini', driver: 'headless', output: 'text' },
    /^output: /,
  ],
  ['a model that is not among its own', { ...generic, model: 'a', models: ['b'] }, /^model: /],
])('%s', (_what, agent, expected) => {
  expect(complaints(agent)).toEqual([expect.stringMatching(expected)]);
});

test.each([
  { ...generic, prompt: 'file', args: ['--in', '{prompt_file}', '--dir={cwd}'] },
  { ...generic, args: ['--model={model}', '{"json": true}'], model: 'big' },
  { ...generic, output: 'json', answer: 'message.content.0.text', error: 'error', usage: 'usage' },
  { ...generic, exit_codes: { 41: 'cli_not_signed_in' } },
  { ...acp, auth_method: 'key', modes: { deny: 'plan' }, args: ['[]'] },
])('goes together: %o', agent => {
  expect(complaints(agent)).toEqual([]);
});
