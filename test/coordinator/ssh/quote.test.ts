import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { findOnPath } from '../../../coordinator/embedded/executable.ts';
import { commandLine, markedCommandLine, quote, wholeScript } from '../../../coordinator/ssh/quote.ts';

const run = promisify(execFile);

test.each([
  ['plain', 'plain'],
  ['/usr/bin/x-1.2:3@4,5+6%7', '/usr/bin/x-1.2:3@4,5+6%7'],
  ['a=b', 'a=b'],
  ['=ls', "'=ls'"],
  ['', "''"],
  ['two words', "'two words'"],
  ["it's", "'it'\\''s'"],
  ['a\\b', "'a'\\\\'b'"],
  ['wow!', "'wow'\\!"],
  ['~/x', "'~/x'"],
  ['$HOME `id` *', "'$HOME `id` *'"],
  ['-n', '-n'],
])('%j is quoted as %s', (argument, quoted) => {
  expect(quote(argument)).toBe(quoted);
});

const NASTY = [
  "it's",
  '"',
  '\\',
  '\\n',
  'a\\\\b',
  '!!',
  "'!\\'",
  '$HOME `id` $(id)',
  '*',
  '~',
  '#x',
  ';',
  '&&',
  '|',
  'tab\there',
  'line\nbreak',
  '',
  ' ',
  '-n',
  '=cat',
  'é 漢 🙂',
  '{a,b}',
  '^x^y^',
  '%self',
  '[a]',
];

describe.each(['sh', 'dash', 'bash', 'zsh', 'fish', 'tcsh'])('in %s', shell => {
  test('every argument arrives as it was', async ({ skip }) => {
    const found = await findOnPath(shell, process.env);
    if (found === undefined) skip(`needs ${shell}: the quoting is tried in it`);
    const argv = shell === 'tcsh' ? NASTY.filter(one => !one.includes('\n')) : NASTY;
    const line = markedCommandLine('mark', [
      process.execPath,
      '-p',
      'JSON.stringify(process.argv.slice(1))',
      '--',
      ...argv,
    ]);
    const { stdout, stderr } = await run(shell, ['-c', line]);
    const [mark, said = ''] = stdout.split('\n');
    expect(mark).toMatch(/^mark (\d+) [0-9a-f-]{36} \1 \(sh\) /);
    expect(stderr).toBe(`${mark?.split(' ').slice(0, 2).join(' ') ?? ''}\n`);
    expect(JSON.parse(said)).toEqual(argv);
  });
});

test('a command that cannot say that it begins does not begin', async () => {
  const line = markedCommandLine('mark', ['echo', 'begun']);
  const { stderr } = await run('sh', ['-c', `{ ${line.replace(/^exec /, '')}; echo "code $?" >&2; } >&-`]);
  expect(stderr).toContain('code 126');
  expect(stderr).not.toContain('begun');
});

test('a script that broke off on the way does nothing', async () => {
  const whole = wholeScript('echo one\necho two\n');
  const { stdout } = await run('sh', ['-c', `printf %s ${quote(whole)} | sh`]);
  expect(stdout).toBe('one\ntwo\n');
  const half = run('sh', ['-c', `printf %s ${quote(whole.slice(0, 14))} | sh`]);
  await expect(half).rejects.toMatchObject({ stdout: '' });
});

test('a command line is its arguments, quoted', () => {
  expect(commandLine(['echo', 'a b', 'c'])).toBe("echo 'a b' c");
});
