/** Any CLI that speaks the protocol, by configuration alone: what it announces decides what is asked of it. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { root } from '../../support/built.ts';
import { startGeminiStub } from '../../support/gemini-stub.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { waitFor } from '../../support/wait.ts';
import { ask, type Fixture, failure, makeDriver, pids } from './fixture.ts';

const command = join(root, 'test/support/tools/sdk-agent.mjs');
const never = new AbortController().signal;

interface Scripted extends Fixture {
  /** Calls that the agent has had, oldest first. */
  readonly calls: () => Promise<unknown[]>;
}

async function scripted(setup: object = {}, agent: object = {}): Promise<Scripted> {
  const log = join(await temporaryDirectory(), 'calls');
  const fixture = await makeDriver({
    agent: {
      agent_type: 'cli_generic',
      driver: 'acp',
      command,
      cwd: root,
      max_concurrent: 1,
      env: { AGENT: JSON.stringify({ ...setup, log }) },
      ...agent,
    },
  });
  return {
    ...fixture,
    async calls() {
      const text = await readFile(log, 'utf8').catch(() => '');
      return text
        .split('\n')
        .filter(line => line !== '')
        .map(line => JSON.parse(line) as unknown);
    },
  };
}

describe('an agent of no known type', () => {
  it('answers; whether the answer is whole cannot be told', async () => {
    const { driver, calls } = await scripted();
    expect(await driver.probe(never)).toMatchObject({ cli_version: '1.2.3', signed_in: 'yes' });
    const answer = await ask(driver, 'hello');
    expect(answer).toMatchObject({ text: 'echo: hello', completeness: 'unknown', warm: true });
    expect(answer.usage).toBeUndefined();
    expect(await calls()).toEqual([]);
  });

  it.each(['result', 'chunk'])('tells token counts beside the %s', async usage => {
    const { driver } = await scripted({ usage });
    expect((await ask(driver, 'hello')).usage).toEqual({
      input_tokens: 3,
      output_tokens: 4,
      total_tokens: 7,
    });
  });

  it.each([
    ['stop max_tokens', 'reply_truncated'],
    ['stop max_turn_requests', 'reply_truncated'],
    ['stop refusal', 'safety_refused'],
    ['die 3', 'cli_crashed'],
    ['sign-out', 'cli_not_signed_in'],
    ['fail {"details":"401 no such key"}', 'auth_refused'],
    ['fail {"errorKind":"rate_limit"}', 'rate_limited'],
    ['fail {"details":"boiler exploded"}', 'cli_crashed'],
  ])('fails on "%s" with %s', async (prompt, code) => {
    const { driver } = await scripted();
    expect((await failure(ask(driver, prompt))).code).toBe(code);
  });

  it('is cancelled, and goes on', async () => {
    const fixture = await scripted();
    const controller = new AbortController();
    const cancelled = ask(fixture.driver, 'wait', {
      signal: controller.signal,
      onActivity: () => {
        controller.abort(new Error('enough'));
      },
    });
    await expect(cancelled).rejects.toThrow('enough');
    expect((await ask(fixture.driver, 'again')).text).toBe('echo: again');
    expect(pids(fixture)).toHaveLength(1);
  });

  it('gets what was said before in one text with the prompt', async () => {
    const { driver } = await scripted();
    const { text } = await ask(driver, '/and now?', {
      instructions: 'Be brief.',
      history: [{ prompt: 'one', response: 'two' }],
    });
    expect(text).toContain('[[turn 0 instructions]]\nBe brief.\n');
    expect(text).toContain('[[turn 1 user]]\none\n');
    expect(text.endsWith('[[turn 2 user]]\n/and now?')).toBe(true);
  });
});

describe('a sign-in', () => {
  it('is done by the method named, once, when a session is refused for want of one', async () => {
    const { driver, calls } = await scripted({ auth: ['browser', 'key'] }, { auth_method: 'key' });
    await driver.probe(never);
    await ask(driver, 'one');
    expect((await ask(driver, 'two')).text).toBe('echo: two');
    expect(await calls()).toEqual([['authenticate', 'key']]);
  });

  it('is not done where none is asked for', async () => {
    const { driver, calls } = await scripted({}, { auth_method: 'key' });
    expect((await ask(driver, 'hello')).text).toBe('echo: hello');
    expect(await calls()).toEqual([]);
  });

  it.each([{}, { auth_method: 'unheard-of' }])('that cannot be done is told: %o', async agent => {
    const { driver, calls } = await scripted({ auth: ['browser'] }, agent);
    const error = await failure(driver.probe(never));
    expect(error.code).toBe('cli_not_signed_in');
    expect(error.message).toContain('pass_env');
    expect(await calls()).toEqual([]);
  });
});

describe('a model', () => {
  it.each([
    ['option', 'which-model'],
    ['method', 'set_model'],
  ])('is chosen by the %s that the agent has for it', async (models, call) => {
    const { driver, calls } = await scripted({ models });
    expect(await ask(driver, 'hello', { model: 'big' })).toMatchObject({
      text: 'echo: hello (big)',
      model: 'big',
    });
    expect((await ask(driver, 'hello', { model: 'small' })).text).toBe('echo: hello');
    expect(await calls()).toEqual([[call, 'big']]);
    const error = await failure(ask(driver, 'hello', { model: 'huge' }));
    expect(error.code).toBe('model_not_found');
    expect(error.message).toContain('small, big');
  });

  it('may be called by the name that people see', async () => {
    const { driver } = await scripted({ models: 'option' });
    expect((await ask(driver, 'hello', { model: 'big' })).text).toBe('echo: hello (big)');
  });

  it("of the agent's own is chosen before a task comes, and not again for it", async () => {
    const { driver, calls } = await scripted({ models: 'option' }, { model: 'big' });
    await driver.probe(never);
    const made = await waitFor(async () => {
      const all = await calls();
      return all.length > 0 && all.length;
    });
    expect((await ask(driver, 'hello')).text).toBe('echo: hello (big)');
    expect((await calls()).slice(0, made)).toEqual(Array(made).fill(['which-model', 'big']));
  });

  it('cannot be chosen where the agent has nothing to choose it by', async () => {
    const { driver } = await scripted();
    const error = await failure(ask(driver, 'hello', { model: 'big' }));
    expect(error).toMatchObject({ code: 'model_not_found' });
    expect((await ask(driver, 'hello')).text).toBe('echo: hello');
  });
});

describe('a session', () => {
  it('is closed after its task, where the agent wants to know', async () => {
    const { driver, calls } = await scripted({ close: true });
    await ask(driver, 'hello');
    await waitFor(async () => (await calls()).some(call => JSON.stringify(call) === '["close","s1"]'));
  });

  it('is put into the mode that goes with the tool policy', async () => {
    const { driver, calls } = await scripted(
      { modes: ['open', 'shut'] },
      { modes: { deny: 'shut', yolo: 'open' }, tool_policy: 'yolo' },
    );
    await ask(driver, 'hello', { tool_policy: 'yolo' });
    expect(await calls()).toEqual([]);
    await ask(driver, 'hello', { tool_policy: 'deny' });
    expect((await calls())[0]).toEqual(['mode', 'shut']);
  });

  it('is not used without that mode', async () => {
    const { driver } = await scripted({ modes: ['open'] }, { modes: { deny: 'shut' } });
    const error = await failure(driver.probe(never));
    expect(error.code).toBe('config_invalid');
    expect(error.message).toContain('"shut"');
  });
});

it('the real gemini is such an agent too, by its command and arguments alone', async () => {
  const stub = await startGeminiStub({ answer: () => ({ text: ['four'], output_tokens: 3 }) });
  onTestFinished(() => stub.close());
  const home = await temporaryDirectory();
  const { driver } = await makeDriver({
    agent: {
      agent_type: 'cli_generic',
      driver: 'acp',
      command: join(root, 'node_modules/@google/gemini-cli/bundle/gemini.js'),
      args: ['--acp'],
      auth_method: 'gemini-api-key',
      model: 'gemini-2.5-pro',
      env: {
        ...stub.environment,
        GEMINI_CLI_HOME: home,
        GEMINI_CLI_NO_RELAUNCH: 'true',
        GEMINI_CLI_TRUST_WORKSPACE: 'true',
      },
    },
  });
  expect(await driver.probe(never)).toMatchObject({ cli_version: '0.61.0', signed_in: 'yes' });
  expect(await ask(driver, 'What is 2+2?')).toMatchObject({
    text: 'four',
    model: 'gemini-2.5-pro',
    usage: { input_tokens: 11, output_tokens: 3, total_tokens: 14 },
  });
  stub.answer(() => ({ text: ['half of it'], finish_reason: null }));
  expect((await failure(ask(driver, 'and now?'))).code).toBe('reply_truncated');
});
