/** Any CLI with a print mode, by configuration alone. */
import { existsSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { root } from '../../support/built.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { ask, failure, makeDriver } from './fixture.ts';

const command = join(root, 'test/support/tools/print.mjs');
const SeenSchema = z.object({
  cmdline: z.array(z.string()),
  environ: z.string(),
  stdin: z.string(),
  cwd: z.string(),
  file: z.string().optional(),
  mode: z.string().optional(),
});
const SECRET = 'nobody else may read this';

const print = (agent: object = {}) => ({ agent: { agent_type: 'cli_generic', command, ...agent } });
const json = (agent: object = {}) =>
  print({ output: 'json', answer: 'message.text', error: 'error', usage: 'usage', ...agent });
/** A prompt that has the stand-in print this. */
const told = (out: unknown, rest: object = {}): string =>
  JSON.stringify({ out: typeof out === 'string' ? out : JSON.stringify(out), ...rest, SECRET });
const lines = (...values: unknown[]): string => values.map(value => JSON.stringify(value)).join('\n');

const hides = process.platform === 'linux' ? it : it.skip;

describe('the prompt', () => {
  hides('on stdin is neither in the arguments nor in the environment', async () => {
    const { driver } = await makeDriver(print());
    const seen = SeenSchema.parse(JSON.parse((await ask(driver, told('$SEEN'))).text));
    expect(seen.stdin).toContain(SECRET);
    expect(seen.cmdline.join(' ') + seen.environ).not.toContain(SECRET);
  });

  hides('in a file can be read by its owner alone, and is gone afterwards', async () => {
    const { driver, state_dir } = await makeDriver(
      print({ prompt: 'file', args: ['--in', '{cwd}', '--file', '{prompt_file}'] }),
    );
    const seen = SeenSchema.parse(JSON.parse((await ask(driver, told('$SEEN'))).text));
    expect(seen).toMatchObject({ stdin: '', mode: '600', file: join(seen.cwd, 'prompt.txt') });
    expect(seen.cmdline).toContain(seen.cwd);
    expect(seen.cmdline.join(' ') + seen.environ).not.toContain(SECRET);
    expect(existsSync(seen.file ?? '')).toBe(false);
    expect(await readdir(join(state_dir, 'work'))).toEqual([]);
  });

  hides("in a file stays out of the operator's own directory", async () => {
    const cwd = await temporaryDirectory();
    const { driver, state_dir } = await makeDriver(
      print({ cwd, prompt: 'file', args: ['--file', '{prompt_file}'] }),
    );
    const seen = SeenSchema.parse(JSON.parse((await ask(driver, told('$SEEN'))).text));
    expect(seen.cwd).toBe(cwd);
    expect(seen.file?.startsWith(join(state_dir, 'work'))).toBe(true);
    await failure(ask(driver, told('', { exit: 1 })));
    expect(await readdir(join(state_dir, 'work'))).toEqual([]);
  });

  it('comes after what was said before', async () => {
    const { driver } = await makeDriver({
      agent: { agent_type: 'cli_generic', command: join(root, 'test/support/tools/cli.mjs'), args: ['echo'] },
    });
    const { text } = await ask(driver, 'and now?', {
      instructions: 'Be brief.',
      history: [{ prompt: 'one', response: 'two' }],
    });
    expect(text).toContain('[[turn 0 instructions]]\nBe brief.\n');
    expect(text).toContain('one');
    expect(text.endsWith('and now?')).toBe(true);
  });
});

describe('an answer in JSON', () => {
  const usage = { input_tokens: 3, output_tokens: 4 };

  it('is found in one document, however it is laid out, with its usage', async () => {
    const { driver } = await makeDriver(json());
    const document = { message: { text: 'four\n"é"' }, usage };
    for (const out of [JSON.stringify(document), `\n${JSON.stringify(document, null, 2)}\n`])
      expect(await ask(driver, told(out))).toMatchObject({
        text: 'four\n"é"',
        completeness: 'unknown',
        usage: { ...usage, total_tokens: 7 },
      });
  });

  it('is the last of several lines, or all of them together', async () => {
    const out = `starting…\n${lines({ type: 'init' }, { message: { text: 'fo' } }, { message: { text: 'ur' } })}\n`;
    const { driver } = await makeDriver(json());
    expect((await ask(driver, told(out))).text).toBe('ur');
    const { driver: all } = await makeDriver(json({ answers: 'all' }));
    expect(await ask(all, told(out))).toMatchObject({ text: 'four', chunks: ['fo', 'ur'] });
  });

  it.each([
    ['no JSON', 'four', 'cli_garbled'],
    ['half of it', '{"message": {"text": "fo', 'cli_garbled'],
    ['no text where it should be', { message: { words: 'four' } }, 'cli_garbled'],
    ['an empty text', { message: { text: ' ' } }, 'empty_reply'],
    ['an error', { error: 'boiler exploded', message: { text: 'four' } }, 'cli_crashed'],
    ['an error with a status', { error: { message: 'API Error: 429 slow down' } }, 'rate_limited'],
    ['the text for an error', { error: true, message: { text: 'API Error: 401 no' } }, 'auth_refused'],
  ])('that is %s has failed', async (_what, out, code) => {
    const { driver } = await makeDriver(json());
    const error = await failure(ask(driver, told(out)));
    expect(error.code).toBe(code);
  });

  it('counts for nothing when the CLI says by its exit code that it failed', async () => {
    const { driver } = await makeDriver(json());
    const answer = { message: { text: 'four' } };
    const error = await failure(ask(driver, told(answer, { exit: 3, err: 'boiler exploded' })));
    expect(error).toMatchObject({ code: 'cli_crashed', cause: { message: 'boiler exploded' } });
  });

  it('names the path at which nothing was', async () => {
    const { driver } = await makeDriver(json());
    expect((await failure(ask(driver, told({ text: 'four' })))).message).toContain('"message.text"');
  });
});

describe('a CLI that prints the prompt again', () => {
  const claude = (agent: object = {}) => ({
    agent: { agent_type: 'cli_claude', driver: 'headless', command, ...agent },
    environment: { ANTHROPIC_API_KEY: 'key' },
  });
  const said = 'Not logged in. API Error: 401 Unauthorized';

  it.each(['', `you said: ${said}\n`, `${said}\nsorry\n`])(
    'is not signed out by its words, on stderr after %o',
    async before => {
      const { driver } = await makeDriver(claude());
      const error = await failure(ask(driver, told('', { exit: 1, err: `${before}${said}`, said })));
      expect(error.code).toBe('cli_crashed');
      const silent = await failure(ask(driver, told('', { err: `${before}${said}`, said })));
      expect(silent.code).toBe('cli_garbled');
    },
  );

  it.each([
    ['in the last line', 'starting\nNot logged in', 'cli_not_signed_in'],
    ['further up', 'Not logged in\none\ntwo\nthree', 'cli_crashed'],
    ['within much else', `${'x'.repeat(600)} Not logged in`, 'cli_crashed'],
  ])('is signed out where it says so itself %s', async (_where, err, code) => {
    const file = join(await temporaryDirectory(), 'claude.mjs');
    await writeFile(
      file,
      `#!${process.execPath}\nprocess.stderr.write(${JSON.stringify(err)}); process.exitCode = 1;`,
      { mode: 0o755 },
    );
    const { driver } = await makeDriver(claude({ command: file }));
    expect((await failure(ask(driver, 'hello'))).code).toBe(code);
  });
});

describe('an exit code', () => {
  it.each([
    [41, 'cli_not_signed_in'],
    [75, 'rate_limited'],
    [3, 'cli_crashed'],
  ])('%i means what the operator says it does: %s', async (exit, code) => {
    const { driver } = await makeDriver(
      print({ exit_codes: { 41: 'cli_not_signed_in', 75: 'rate_limited' } }),
    );
    expect((await failure(ask(driver, told('', { exit, err: 'sorry' })))).code).toBe(code);
  });
});
