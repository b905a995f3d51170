import { execFile } from 'node:child_process';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { AGENT_TYPES } from '../../../../protocol/agent.ts';
import { testNats } from '../../../support/nats-server.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';
import { ccli } from '../support/fake-io.ts';
import { startScriptedCoordinator } from '../support/scripted-coordinator.ts';

let script: string;
beforeAll(async () => {
  script = (await ccli(['completion', 'bash'])).out;
});

/** What bash would offer for the last of the words; `ccli` is a program in `directory` that prints its arguments. */
async function offers(words: readonly string[], directory?: string): Promise<string[]> {
  const file = join(directory ?? (await temporaryDirectory()), 'completion.bash');
  await writeFile(file, script);
  const run = `set -u; source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _ccli; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = await promisify(execFile)(
    'bash',
    ['--norc', '-c', run, 'bash', file, ...words],
    {
      ...(directory !== undefined && {
        cwd: directory,
        env: { PATH: `${directory}:${process.env['PATH'] ?? ''}` },
      }),
    },
  );
  expect(stderr).toBe('');
  return stdout.split('\n').filter(line => line !== '');
}

describe('completion in bash', () => {
  test('the script registers itself for ccli and prints nothing', async () => {
    const { stdout, stderr } = await promisify(execFile)('bash', [
      '--norc',
      '-c',
      'set -eu; source /dev/stdin <<<"$1"; complete -p ccli',
      'bash',
      script,
    ]);
    expect({ stdout, stderr }).toEqual({ stdout: 'complete -F _ccli ccli\n', stderr: '' });
  });

  test('offers commands, but none that is hidden', async () => {
    const words = await offers(['ccli', '']);
    expect(words).toEqual(expect.arrayContaining(['up', 'run', 'task', 'agents', 'completion']));
    expect(words).not.toContain('__complete');
    expect(await offers(['ccli', 'sta'])).toEqual(['status']);
    expect(await offers(['ccli', 'task', ''])).toEqual(['show', 'wait', 'tail', 'cancel', 'retry', 'list']);
  });

  test('offers the options of the command on the line', async () => {
    expect(await offers(['ccli', 'run', '--ma'])).toEqual(['--max-wait', '--max-attempts']);
    expect(await offers(['ccli', 'task', 'list', '--st'])).toEqual(['--state', '--status']);
    expect(await offers(['ccli', 'agents', '--ma'])).toEqual([]);
  });

  test('offers the values of an option, in both ways to write it', async () => {
    expect(await offers(['ccli', 'run', '--type', ''])).toEqual([...AGENT_TYPES]);
    expect(await offers(['ccli', 'run', '--type', '=', 'cli_g'])).toEqual(['cli_gemini', 'cli_generic']);
    expect(await offers(['ccli', 'run', '--model', ''])).toEqual([]);
  });

  test('knows the commands below agents, their options and what these may be', async () => {
    expect(await offers(['ccli', 'agents', 're'])).toEqual(['register', 'remove', 'registration']);
    expect(await offers(['ccli', 'agents', '--js'])).toEqual(['--json']);
    expect(await offers(['ccli', 'agents', 'register', '--sp'])).toEqual(['--specialty']);
    expect(await offers(['ccli', 'agents', 'register', '--specialty', 'p'])).toEqual([
      'pytorch_dev',
      'profiler',
    ]);
    expect(await offers(['ccli', 'agents', 'update', '--reset', ''])).toContain('expected_version');
    expect(await offers(['ccli', 'agents', 'registration', ''])).toEqual(['on', 'off', 'status']);
    expect(await offers(['ccli', 'task', 'show', '--w'])).toEqual(['--why']);
  });

  test('steps over the values of options', async () => {
    expect(await offers(['ccli', 'run', '--agent', 'task', '--spec'])).toEqual(['--specialty']);
    expect(await offers(['ccli', 'task', 'list', '--nats', 'agents', '--lim'])).toEqual(['--limit']);
  });

  test('offers files and directories', async () => {
    const directory = await temporaryDirectory();
    await mkdir(join(directory, 'some-state'));
    await writeFile(join(directory, 'some-file.yaml'), '');
    expect(await offers(['ccli', 'up', '--config', 'some'], directory)).toEqual(
      expect.arrayContaining(['some-state', 'some-file.yaml']),
    );
    expect(await offers(['ccli', 'up', '--state', 'some'], directory)).toEqual(['some-state']);
    expect(await offers(['ccli', 'restore', 'some'], directory)).toEqual(['some-state']);
    expect(await offers(['ccli', 'agents', 'import', 'some-f'], directory)).toEqual(['some-file.yaml']);
  });

  test('asks ccli itself for ids', async () => {
    const directory = await temporaryDirectory();
    const program = join(directory, 'ccli');
    await writeFile(program, '#!/bin/sh\necho "asked-$1-$2"\n');
    await chmod(program, 0o755);
    expect(await offers(['ccli', 'task', 'show', ''], directory)).toEqual(['asked-__complete-tasks']);
    expect(await offers(['ccli', 'run', '--agent', ''], directory)).toEqual(['asked-__complete-agents']);
    expect(await offers(['ccli', 'node', 'drain', ''], directory)).toEqual(['asked-__complete-nodes']);
    expect(await offers(['ccli', 'agents', 'verify', ''], directory)).toEqual(['asked-__complete-agents']);
    expect(await offers(['ccli', 'agents', 'enable', '--node', ''], directory)).toEqual([
      'asked-__complete-nodes',
    ]);
  });
});

describe('ccli __complete', () => {
  test('prints the ids of tasks, newest first', async () => {
    const nats = await testNats();
    const coordinator = await startScriptedCoordinator({ url: nats.url, script: () => undefined });
    onTestFinished(() => coordinator.stop());
    const environment = { CCLI_NATS_URL: nats.url };
    const first = (await ccli(['submit', 'a'], { environment })).out;
    const second = (await ccli(['submit', 'b'], { environment })).out;
    expect(await ccli(['__complete', 'tasks'], { environment })).toEqual({
      code: 0,
      out: second + first,
      err: '',
    });
  });

  test('keeps quiet without a fleet', async () => {
    const environment = { CCLI_NATS_URL: 'nats://127.0.0.1:1' };
    expect(await ccli(['__complete', 'agents'], { environment })).toEqual({ code: 1, out: '', err: '' });
  });
});
