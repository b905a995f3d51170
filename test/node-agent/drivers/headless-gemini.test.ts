import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { root } from '../../support/built.ts';
import {
  type GeminiStub,
  gate,
  refusals,
  type StubAnswer,
  startGeminiStub,
} from '../../support/gemini-stub.ts';
import { makeNvmHome } from '../../support/node-builds.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { ask, failure, makeDriver } from './fixture.ts';

const never = new AbortController().signal;
const cold = { driver: 'headless' };

async function stubbed(answer?: Parameters<GeminiStub['answer']>[0]): Promise<GeminiStub> {
  const stub = await startGeminiStub(answer === undefined ? {} : { answer });
  onTestFinished(() => stub.close());
  return stub;
}

describe('a cold gemini', () => {
  it('gets instructions and what was said before in one text with the prompt', async () => {
    const stub = await stubbed();
    const { driver } = await makeDriver({ agent: cold, environment: stub.environment });
    await ask(driver, 'and now?', {
      instructions: 'Be brief.',
      history: [{ prompt: 'one', response: 'two' }],
    });
    const prompt = stub.requests[0]?.prompt ?? '';
    expect(prompt).toContain('[[turn 0 instructions]]\nBe brief.\n');
    expect(prompt).toContain('[[turn 1 assistant]]\ntwo\n');
    expect(prompt.endsWith('[[turn 2 user]]\nand now?')).toBe(true);
  });

  it('answers in chunks with its usage, and leaves nothing behind', async () => {
    const stub = await stubbed(() => ({ text: ['line \u2028', 'two\n', 'three'], output_tokens: 9 }));
    const { driver, state_dir } = await makeDriver({ agent: cold, environment: stub.environment });
    expect(await driver.probe(never)).toEqual({
      cli_version: '0.61.0',
      node_version: process.version,
      cli_path: join(root, 'node_modules/@google/gemini-cli/bundle/gemini.js'),
      node_path: process.execPath,
      signed_in: 'yes',
    });
    expect(await ask(driver, 'mail a@b.c \u{1F600}')).toMatchObject({
      text: 'line \u2028two\nthree',
      completeness: 'unknown',
      model: 'gemini-2.5-pro',
      usage: { input_tokens: 11, output_tokens: 9, total_tokens: 20 },
      warm: false,
    });
    expect(stub.requests.map(({ prompt, tools }) => ({ prompt, tools }))).toEqual([
      { prompt: 'mail a@b.c \u{1F600}', tools: [] },
    ]);
    expect(await readdir(join(state_dir, 'homes'))).toEqual([]);
    expect(await readdir(join(state_dir, 'work'))).toEqual([]);
    await driver.close();
  });

  it('does not put files into a prompt, even where there are some', async () => {
    const stub = await stubbed();
    const cwd = await temporaryDirectory();
    await writeFile(join(cwd, 'secret.txt'), 'THE SECRET');
    const { driver } = await makeDriver({ agent: { ...cold, cwd }, environment: stub.environment });
    await ask(driver, 'read @secret.txt');
    expect(JSON.stringify(stub.requests[0]?.body)).not.toContain('THE SECRET');
    expect(stub.requests[0]?.prompt).toBe('read \\@secret.txt');
  });

  it('runs under the Node version that the agent names, with the model that the task names', async () => {
    const stub = await stubbed();
    const nvm_dir = await makeNvmHome(await temporaryDirectory(), {
      versions: ['22.14.0'],
      gemini: ['22.14.0'],
    });
    const { driver } = await makeDriver({
      agent: { ...cold, node_version: '22' },
      nvm_dir,
      environment: stub.environment,
    });
    expect(await driver.probe(never)).toMatchObject({ node_version: 'v22.14.0', cli_version: '0.61.0' });
    expect(await ask(driver, 'hello', { model: 'gemini-2.5-flash' })).toMatchObject({
      model: 'gemini-2.5-flash',
    });
    expect(stub.requests[0]?.model).toBe('gemini-2.5-flash');
  });

  it('takes a prompt of 3 MiB', async () => {
    const prompt = 'y'.repeat(3 * 1024 * 1024);
    const stub = await stubbed(request => String(request.prompt.length));
    const { driver } = await makeDriver({ agent: cold, environment: stub.environment });
    expect((await ask(driver, prompt)).text).toBe(String(prompt.length));
  });

  it('refuses a prompt that the CLI would cut in silence', async () => {
    const { driver } = await makeDriver({ agent: cold, environment: { GEMINI_API_KEY: 'key' } });
    expect((await failure(ask(driver, 'z'.repeat(9 * 1024 * 1024)))).code).toBe('prompt_too_large');
  });

  it('is stopped with the task, and the reason is kept', async () => {
    const stub = await stubbed(() => gate().opened.then(() => 'never'));
    const { driver, state_dir } = await makeDriver({ agent: cold, environment: stub.environment });
    const controller = new AbortController();
    const reason = new Error('time is up');
    const run = ask(driver, 'hello', { signal: controller.signal });
    await stub.received(1);
    controller.abort(reason);
    await expect(run).rejects.toBe(reason);
    expect(await readdir(join(state_dir, 'homes'))).toEqual([]);
  });

  it('may edit but not run commands under "auto_edit"', async () => {
    const calls: StubAnswer[] = [
      { call: { name: 'write_file', args: { file_path: 'made.txt', content: 'by a tool' } } },
      { call: { name: 'run_shell_command', args: { command: 'echo made > shell.txt' } } },
      'done',
    ];
    const stub = await stubbed(() => calls.shift() ?? 'done');
    const cwd = await temporaryDirectory();
    const { driver } = await makeDriver({
      agent: { ...cold, cwd, tool_policy: 'auto_edit' },
      environment: stub.environment,
    });
    expect((await ask(driver, 'write it', { tool_policy: 'auto_edit' })).text).toBe('done');
    expect(await readdir(cwd)).toEqual(['made.txt']);
  });
});

describe('a cold answer that went wrong', () => {
  it.each<[string, StubAnswer, string]>([
    ['an empty stream', { empty: true }, 'empty_reply'],
    ['a stream without a finish reason', { text: ['half of it'], finish_reason: null }, 'reply_truncated'],
    ['a safety filter', { text: [], finish_reason: 'SAFETY' }, 'safety_refused'],
    ['an invalid key', refusals.keyInvalid, 'auth_refused'],
    ['an unknown model', { status: 404, message: 'models/x is not found' }, 'model_not_found'],
    ['another 4xx', { status: 400, message: 'too many tokens' }, 'model_rejected'],
    ['the quota of a minute', refusals.minuteQuota, 'rate_limited'],
    ['the quota of a day', refusals.dayQuota, 'quota_exhausted'],
    ['status 503', { status: 503, message: 'overloaded' }, 'model_unavailable'],
    ['a connection that breaks', { reset: true, text: ['half'] }, 'model_unavailable'],
  ])('is told by its code: %s', async (_name, answer, code) => {
    const stub = await stubbed(() => answer);
    const { driver } = await makeDriver({ agent: cold, environment: stub.environment });
    expect((await failure(ask(driver, 'hello'))).code).toBe(code);
    expect(stub.requests).toHaveLength(1);
  });

  it('without a key is not signed in', async () => {
    const { driver } = await makeDriver({ agent: cold });
    expect((await failure(driver.probe(never))).code).toBe('cli_not_signed_in');
    expect((await failure(ask(driver, 'hello'))).code).toBe('cli_not_signed_in');
  });

  it('for want of a place to work leaves no home with a sign-in in it', async () => {
    const { driver, state_dir } = await makeDriver({ agent: cold, environment: { GEMINI_API_KEY: 'key' } });
    await mkdir(state_dir);
    await writeFile(join(state_dir, 'work'), 'not a directory');
    await expect(ask(driver, 'hello')).rejects.toThrow('EEXIST');
    expect(await readdir(join(state_dir, 'homes'))).toEqual([]);
  });

  it('that is no protocol at all is garbled', async () => {
    const { driver } = await makeDriver({
      agent: { ...cold, command: join(root, 'test/support/tools/cli.mjs') },
      environment: { GEMINI_API_KEY: 'key' },
    });
    // The stand-in ends with an error of its own, since it knows no such behaviour.
    expect((await failure(ask(driver, 'hello'))).code).toBe('cli_crashed');
  });
});
