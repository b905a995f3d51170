import { randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
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
import { runs } from '../../support/running.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { waitFor } from '../../support/wait.ts';
import { ask, type Fixture, failure, makeDriver, pids } from './fixture.ts';

const never = new AbortController().signal;

async function stubbed(answer?: Parameters<GeminiStub['answer']>[0]): Promise<GeminiStub> {
  const stub = await startGeminiStub(answer === undefined ? {} : { answer });
  onTestFinished(() => stub.close());
  return stub;
}

/** Directories of tasks that are still there: those of ready sessions, and the process's own. */
const workspaces = (fixture: Fixture): Promise<string[]> => readdir(join(fixture.state_dir, 'work'));

describe('a warm gemini', () => {
  it('answers in chunks, says what it used, and is warm from the first probe on', async () => {
    const stub = await stubbed(() => ({
      text: ['four', ' is', ' it'],
      thought: '**Hm** adding',
      output_tokens: 3,
    }));
    const fixture = await makeDriver({ environment: stub.environment });
    const { driver } = fixture;
    expect(driver.warm).toBe(false);
    expect(await driver.probe(never)).toEqual({
      cli_version: '0.61.0',
      node_version: process.version,
      cli_path: join(root, 'node_modules/@google/gemini-cli/bundle/gemini.js'),
      node_path: process.execPath,
      signed_in: 'yes',
    });
    expect(driver.warm).toBe(true);
    const answer = await ask(driver, 'What is 2+2? \u{1F600} \u0000');
    expect(answer).toMatchObject({
      text: 'four is it',
      chunks: ['four', ' is', ' it'],
      completeness: 'unknown',
      model: 'gemini-2.5-pro',
      warm: true,
      usage: { input_tokens: 11, output_tokens: 3, total_tokens: 14 },
    });
    expect(stub.requests.map(request => request.prompt)).toEqual(['What is 2+2? \u{1F600} \u0000']);
    expect(stub.requests[0]?.tools).toEqual([]);
  });

  it('runs several prompts at the same time in one process', async () => {
    const held = gate();
    const stub = await stubbed(async request => {
      await held.opened;
      return `to ${request.prompt}`;
    });
    const fixture = await makeDriver({ agent: { max_concurrent: 4 }, environment: stub.environment });
    const answers = Promise.all(['a', 'b', 'c', 'd'].map(prompt => ask(fixture.driver, prompt)));
    await stub.received(4);
    held.open();
    expect((await answers).map(answer => answer.text)).toEqual(['to a', 'to b', 'to c', 'to d']);
    expect(stub.max_overlap).toBe(4);
    expect(pids(fixture)).toHaveLength(1);
  });

  it('takes a prompt of 3 MiB, and gives back as much', async () => {
    const prompt = 'äöü \u{1F680} '.repeat(270_000);
    const stub = await stubbed(request => ({ text: [request.prompt] }));
    const { driver } = await makeDriver({ environment: stub.environment });
    expect((await ask(driver, prompt)).text === prompt).toBe(true);
    expect(Buffer.byteLength(prompt)).toBeGreaterThan(3 * 1024 * 1024 - 20_000);
  });

  it('sends what looks like a file reference or a command to the model as it stands', async () => {
    const stub = await stubbed();
    const { driver } = await makeDriver({ environment: stub.environment });
    await ask(driver, 'read @/etc/hostname and @package.json');
    await ask(driver, '/about this house');
    await ask(driver, '/usr/bin/env is what?');
    expect(stub.requests.map(request => request.prompt)).toEqual([
      'read @/etc/hostname and @package.json',
      '\u2060/about this house',
      '/usr/bin/env is what?',
    ]);
  });

  it('switches a session to the model that a task names', async () => {
    const stub = await stubbed();
    const { driver } = await makeDriver({
      agent: { model: 'gemini-2.5-pro' },
      environment: stub.environment,
    });
    expect(await ask(driver, 'one', { model: 'gemini-2.5-flash' })).toMatchObject({
      model: 'gemini-2.5-flash',
    });
    await ask(driver, 'two', { model: 'gemini-2.5-pro' });
    expect(stub.requests.map(request => request.model)).toEqual(['gemini-2.5-flash', 'gemini-2.5-pro']);
  });

  it('works in a directory of its own, which is gone afterwards', async () => {
    const stub = await stubbed();
    const fixture = await makeDriver({ agent: { max_concurrent: 1 }, environment: stub.environment });
    await fixture.driver.probe(never);
    const [ready] = await waitFor(async () => {
      const found = await workspaces(fixture);
      return found.length === 2 && found;
    });
    await ask(fixture.driver, 'hello');
    await waitFor(async () => {
      const left = await workspaces(fixture);
      return left.length === 2 && stub.requests.length === 1;
    });
    expect(JSON.stringify(stub.requests[0]?.body)).toContain(join(fixture.state_dir, 'work'));
    expect(ready).toBeDefined();
    await fixture.driver.close();
    expect(await workspaces(fixture)).toEqual([]);
    expect(await readdir(join(fixture.state_dir, 'homes'))).toEqual([]);
  });

  it('works in the directory that the agent names, and leaves it alone', async () => {
    const stub = await stubbed();
    const cwd = await temporaryDirectory();
    const { driver } = await makeDriver({ agent: { cwd }, environment: stub.environment });
    await ask(driver, 'hello');
    expect(JSON.stringify(stub.requests[0]?.body)).toContain(cwd);
    await driver.close();
    expect(await readdir(cwd)).toEqual([]);
  });

  it('runs under the Node version that the agent names', async () => {
    const stub = await stubbed();
    const nvm_dir = await makeNvmHome(await temporaryDirectory(), {
      versions: ['22.14.0'],
      gemini: ['22.14.0'],
      aliases: { 'lts/jod': 'v22.14.0', work: 'lts/jod' },
    });
    const fixture = await makeDriver({
      agent: { node_version: 'work' },
      nvm_dir,
      environment: stub.environment,
    });
    expect(await fixture.driver.probe(never)).toMatchObject({
      cli_version: '0.61.0',
      node_version: 'v22.14.0',
      signed_in: 'yes',
    });
    expect((await ask(fixture.driver, 'hello')).text).toBe('echo: hello');
    const command = await readFile(`/proc/${String(pids(fixture)[0])}/cmdline`, 'utf8');
    expect(command.split('\0')[0]).toBe(join(nvm_dir, 'versions/node/v22.14.0/bin/node'));
    expect(await readdir(join(fixture.state_dir, 'compile-cache'))).toEqual(['v22.14.0']);
  });
});

describe('what can go wrong with an answer', () => {
  const cases: [string, StubAnswer, string, number?][] = [
    ['an empty stream', { empty: true }, 'empty_reply'],
    ['a stream without a finish reason', { text: ['half of it'], finish_reason: null }, 'reply_truncated'],
    ['a safety filter', { text: [], finish_reason: 'SAFETY' }, 'safety_refused'],
    ['thoughts without an answer', { text: [], thought: '**Hm** so' }, 'empty_reply'],
    ['an invalid key', refusals.keyInvalid, 'auth_refused'],
    ['status 401', { status: 401, message: 'who are you' }, 'auth_refused'],
    ['status 403', { status: 403, message: 'not you' }, 'auth_refused'],
    [
      'an unknown model',
      { status: 404, message: 'models/x is not found for API version v1beta' },
      'model_not_found',
    ],
    ['another 4xx', { status: 400, message: 'too many tokens' }, 'model_rejected'],
    ['the quota of a minute', refusals.minuteQuota, 'rate_limited', 7_000],
    ['the quota of a day', refusals.dayQuota, 'quota_exhausted', 3_600_000],
    ['status 500', { status: 500, message: 'oops' }, 'model_unavailable'],
    ['status 503', { status: 503, message: 'overloaded' }, 'model_unavailable'],
    ['a connection that breaks', { reset: true, text: ['half'] }, 'model_unavailable'],
  ];

  it('is told by a code, with the pause that the service asks for, and does not harm the process', async () => {
    let answer: StubAnswer = 'ok';
    const stub = await stubbed(() => answer);
    const fixture = await makeDriver({ environment: stub.environment });
    for (const [name, bad, code, retry_after_ms] of cases) {
      answer = bad;
      const error = await failure(ask(fixture.driver, 'hello'));
      expect({ name, code: error.code }).toEqual({ name, code });
      if (retry_after_ms !== undefined) expect(error.retry_after_ms).toBe(retry_after_ms);
      if (code === 'auth_refused')
        expect(await fixture.driver.probe(never)).toMatchObject({ signed_in: 'no' });
    }
    // One request a prompt: the CLI's own retries are off.
    expect(stub.requests).toHaveLength(cases.length);
    answer = 'fine again';
    expect((await ask(fixture.driver, 'hello')).text).toBe('fine again');
    expect(await fixture.driver.probe(never)).toMatchObject({ signed_in: 'yes' });
    expect(pids(fixture)).toHaveLength(1);
  });

  it('does not call an answer whole that the token limit may have cut', async () => {
    const stub = await stubbed(() => ({ text: ['cut sh'], finish_reason: 'MAX_TOKENS' }));
    const { driver } = await makeDriver({ environment: stub.environment });
    expect(await ask(driver, 'hello')).toMatchObject({ text: 'cut sh', completeness: 'unknown' });
  });
});

describe('tools', () => {
  const writing = (stub: { request: { tool_results: readonly string[] } }): StubAnswer =>
    stub.request.tool_results.length > 0
      ? 'done'
      : { call: { name: 'write_file', args: { file_path: 'made.txt', content: 'made by a tool' } } };
  const running = (stub: { request: { tool_results: readonly string[] } }): StubAnswer =>
    stub.request.tool_results.length > 0
      ? 'done'
      : { call: { name: 'run_shell_command', args: { command: 'echo made > made.txt' } } };

  async function attempt(agent: 'deny' | 'auto_edit' | 'yolo', task: typeof agent, use: typeof writing) {
    const stub = await stubbed(request => use({ request }));
    const cwd = await temporaryDirectory();
    const { driver } = await makeDriver({
      agent: { cwd, tool_policy: agent },
      environment: stub.environment,
    });
    const { text } = await ask(driver, 'write it', { tool_policy: task });
    return { text, files: await readdir(cwd), offered: stub.requests[0]?.tools.length ?? 0 };
  }

  it('are neither offered nor run under "deny"', async () => {
    expect(await attempt('deny', 'deny', writing)).toEqual({ text: 'done', files: [], offered: 0 });
  });
  it('may edit under "auto_edit"', async () => {
    expect(await attempt('auto_edit', 'auto_edit', writing)).toMatchObject({
      text: 'done',
      files: ['made.txt'],
    });
  });
  it('may not run commands under "auto_edit"', async () => {
    expect(await attempt('auto_edit', 'auto_edit', running)).toMatchObject({ text: 'done', files: [] });
  });
  it('may run commands under "yolo"', async () => {
    expect(await attempt('yolo', 'yolo', running)).toMatchObject({ text: 'done', files: ['made.txt'] });
  });
  it("are denied to a task that narrows its agent's policy", async () => {
    expect(await attempt('yolo', 'deny', running)).toMatchObject({ text: 'done', files: [], offered: 0 });
  });
});

describe('stopping', () => {
  it('cancels one prompt, leaves the process to the others, and keeps late chunks to itself', async () => {
    const held = gate();
    const stub = await stubbed(async request => {
      await held.opened;
      return request.prompt;
    });
    const fixture = await makeDriver({ environment: stub.environment });
    const controller = new AbortController();
    const reason = new Error(randomUUID());
    const cancelled = ask(fixture.driver, 'to be cancelled', { signal: controller.signal });
    const other = ask(fixture.driver, 'the other');
    await stub.received(2);
    controller.abort(reason);
    await expect(cancelled).rejects.toBe(reason);
    held.open();
    expect((await other).text).toBe('the other');
    expect(pids(fixture)).toHaveLength(1);
  });

  it('does not begin a prompt that was cancelled while the process started', async () => {
    const stub = await stubbed();
    const { driver } = await makeDriver({ environment: stub.environment });
    const controller = new AbortController();
    const cancelled = ask(driver, 'too late', { signal: controller.signal });
    controller.abort(new Error('changed my mind'));
    await expect(cancelled).rejects.toThrow('changed my mind');
    await driver.probe(never);
    expect(stub.requests).toEqual([]);
  });

  it('leaves no process behind, whatever runs', async () => {
    const stub = await stubbed(() => gate().opened.then(() => 'never'));
    const fixture = await makeDriver({ environment: stub.environment });
    const lost = failure(ask(fixture.driver, 'for ever'));
    await stub.received(1);
    const [pid = 0] = pids(fixture);
    expect(runs(pid)).toBe(true);
    await fixture.driver.close();
    expect((await lost).code).toBe('cli_crashed');
    expect(runs(pid)).toBe(false);
    expect((await failure(fixture.driver.probe(never))).code).toBe('draining');
  });
});

describe('the process', () => {
  it('is started anew after a crash, which its prompts report as retryable', async () => {
    const held = gate();
    const stub = await stubbed(async () => {
      await held.opened;
      return 'ok';
    });
    const fixture = await makeDriver({ environment: stub.environment });
    const lost = failure(ask(fixture.driver, 'hello'));
    await stub.received(1);
    process.kill(pids(fixture)[0] ?? 0, 'SIGKILL');
    const error = await lost;
    expect(error).toMatchObject({ code: 'cli_crashed', retryable: true });
    expect(error.message).toContain('SIGKILL');
    expect(fixture.driver.warm).toBe(false);
    held.open();
    expect((await ask(fixture.driver, 'again')).text).toBe('ok');
    expect(pids(fixture)).toHaveLength(2);
    await waitFor(async () => (await readdir(join(fixture.state_dir, 'homes'))).length === 1);
  });

  it('answers when it is asked whether it lives, and is replaced once it does not', async () => {
    const stub = await stubbed();
    const fixture = await makeDriver({
      agent: { health_interval: '50ms' },
      environment: stub.environment,
      patience_ms: 4_000,
    });
    await ask(fixture.driver, 'hello');
    const [first = 0] = pids(fixture);
    process.kill(first, 'SIGSTOP');
    const second = await waitFor(() => pids(fixture)[1]);
    await waitFor(() => !runs(first));
    expect((await ask(fixture.driver, 'again')).text).toBe('echo: again');
    expect(runs(second)).toBe(true);
    expect(pids(fixture)).toHaveLength(2);
  });

  it('is replaced by a warm one after its number of sessions', async () => {
    const stub = await stubbed();
    const fixture = await makeDriver({
      agent: { max_sessions: 2, max_concurrent: 1 },
      environment: stub.environment,
    });
    await ask(fixture.driver, 'one');
    await ask(fixture.driver, 'two');
    const [first = 0] = pids(fixture);
    await waitFor(() => pids(fixture).length === 2 && !runs(first));
    expect(fixture.driver.warm).toBe(true);
    expect(await ask(fixture.driver, 'three')).toMatchObject({ text: 'echo: three', warm: true });
    expect(fixture.events.map(({ event }) => event)).toEqual([
      'cli_started',
      'cli_worn',
      'cli_started',
      'cli_recycled',
    ]);
  });

  it('keeps running its last prompts while its successor takes new ones', async () => {
    const held = gate();
    const stub = await stubbed(async request => {
      if (request.prompt === 'long') await held.opened;
      return request.prompt;
    });
    const fixture = await makeDriver({ agent: { max_sessions: 2 }, environment: stub.environment });
    const long = ask(fixture.driver, 'long');
    await stub.received(1);
    await ask(fixture.driver, 'short');
    const [first = 0] = pids(fixture);
    await waitFor(() => pids(fixture).length === 2);
    expect((await ask(fixture.driver, 'new')).text).toBe('new');
    expect(runs(first)).toBe(true);
    held.open();
    expect((await long).text).toBe('long');
    await waitFor(() => !runs(first));
  });
});

describe('a gemini that is not set up', () => {
  it('without a key is not signed in', async () => {
    const { driver, state_dir } = await makeDriver({ environment: { GEMINI_API_KEY: undefined } });
    expect((await failure(driver.probe(never))).code).toBe('cli_not_signed_in');
    expect((await failure(ask(driver, 'hello'))).code).toBe('cli_not_signed_in');
    expect(await readdir(join(state_dir, 'homes'))).toEqual([]);
    expect(await readdir(join(state_dir, 'work'))).toEqual([]);
  });

  it('names the Node version that is missing', async () => {
    const { driver } = await makeDriver({ agent: { node_version: '19' } });
    expect(await failure(driver.probe(never))).toMatchObject({ code: 'node_version_missing' });
  });

  it('names the command that is missing', async () => {
    const { driver } = await makeDriver({ agent: { command: '/nowhere/gemini' } });
    expect(await failure(driver.probe(never))).toMatchObject({ code: 'cli_missing' });
  });
});
