import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, type TestContext, test } from 'vitest';
import { findOnPath } from '../../../../coordinator/embedded/executable.ts';
import { ccli } from '../support/fake-io.ts';

let script: string;
beforeAll(async () => {
  script = (await ccli(['completion', 'zsh'])).out;
});

/** The builtins of completion work only inside it, so these print what they were given to offer. */
const STUBS = `
compdef() { registered="$*" }
compadd() { while [[ $1 == -* ]]; do [[ $1 == -- ]] && { shift; break }; shift; done; print -rl -- "$@" }
_describe() { print -rl -- \${(P)4} }
_files() { print -r -- "files $*" }
_message() { }
ccli() { print -r -- "asked-$1-$2" }
`;

async function zsh({ skip }: TestContext): Promise<string> {
  const found = await findOnPath('zsh', process.env);
  if (found === undefined) skip('needs zsh: its completion is tried in it');
  return found ?? '';
}

async function offers(shell: string, ...words: string[]): Promise<string[]> {
  const run = `${STUBS}\neval "$1"; shift; words=("$@"); CURRENT=$#; _ccli`;
  const { stdout, stderr } = await promisify(execFile)(shell, ['-f', '-c', run, 'zsh', script, ...words]);
  expect(stderr).toBe('');
  return stdout.split('\n').filter(line => line !== '');
}

describe('completion in zsh', () => {
  test('offers commands with what they do', async context => {
    const shell = await zsh(context);
    expect(await offers(shell, 'ccli', '')).toContain('status:show how the fleet is doing');
    expect((await offers(shell, 'ccli', 'task', '')).map(line => line.split(':')[0])).toEqual([
      'show',
      'wait',
      'tail',
      'cancel',
      'retry',
      'list',
    ]);
  });

  test('offers options, their values, and ids from ccli itself', async context => {
    const shell = await zsh(context);
    expect(await offers(shell, 'ccli', 'run', '--')).toContain('--json:print JSON for programs');
    expect(await offers(shell, 'ccli', 'run', '--type', '')).toContain('cli_gemini');
    expect(await offers(shell, 'ccli', 'run', '--agent', 'up', '--')).toContain(
      '--quiet:no progress on stderr',
    );
    expect(await offers(shell, 'ccli', 'task', 'show', '')).toEqual(['asked-__complete-tasks']);
    expect(await offers(shell, 'ccli', 'up', '--state', '')).toEqual(['files -/']);
  });
});
