/** A CLI that never stops printing is stopped, and costs neither memory nor disk nor the time of others. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { root } from '../../support/built.ts';
import { ask, failure, makeDriver } from './fixture.ts';

const command = join(root, 'test/support/tools/flood.mjs');
const never = new AbortController().signal;
const MIB = 1024 * 1024;

const flooding = (text: string, agent: object = {}, environment = {}) => ({
  agent: { agent_type: 'cli_generic', command, env: { FLOOD: JSON.stringify({ text }) }, ...agent },
  max_output: MIB,
  environment,
});

/** The most that this process holds while something goes on. */
function memory(): { grown: () => number } {
  const before = process.memoryUsage().rss;
  let most = before;
  const timer = setInterval(() => {
    most = Math.max(most, process.memoryUsage().rss);
  }, 20);
  onTestFinished(() => {
    clearInterval(timer);
  });
  return { grown: () => most - before };
}

const notification = `${JSON.stringify({ jsonrpc: '2.0', method: 'x/y', params: {} })}\n`;
const request = `${JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'x/y', params: {} })}\n`;

describe('over ACP', () => {
  it.each([
    ['words', 'y\n'],
    ['a line without end', 'y'],
    ['a message without end', '{"jsonrpc":"2.0", "y": '],
    ['JSON that is no message', '{}\n'],
    ['messages that nobody has asked for', notification],
  ])('%s end the process before it has answered', async (_what, text) => {
    const { driver } = await makeDriver(flooding(text, { driver: 'acp' }));
    const { grown } = memory();
    const error = await failure(driver.probe(never));
    expect(error.code).toBe('cli_garbled');
    expect(grown()).toBeLessThan(300 * MIB);
  });

  it('a process that floods while it has a task is ended with it, and the next task gets another', async () => {
    const { driver } = await makeDriver({
      agent: {
        agent_type: 'cli_generic',
        driver: 'acp',
        command: join(root, 'test/support/tools/sdk-agent.mjs'),
      },
    });
    expect((await failure(ask(driver, 'flood'))).code).toBe('cli_garbled');
    expect((await ask(driver, 'hello')).text).toBe('echo: hello');
  });

  it('requests of a process that takes no answers wait with it', async () => {
    const env = { FLOOD: JSON.stringify({ text: request, deaf: true }) };
    const { driver } = await makeDriver({
      ...flooding(request, { driver: 'acp', env }),
      initialize_timeout_ms: 2_000,
    });
    const { grown } = memory();
    await failure(driver.probe(never));
    expect(grown()).toBeLessThan(300 * MIB);
  });
});

describe('in print mode', () => {
  const json = { output: 'json', answer: 'a' };

  it.each([
    ['an object that is never closed', '{\n', json],
    ['lists that are never closed', '[\n', { ...json }],
    ['lines that are not JSON', 'y\n', json],
    ['JSON without an answer', '{}\n', json],
    ['one line without end', '{', json],
  ])('%s: the process is stopped', async (_what, text, agent) => {
    const { driver } = await makeDriver(flooding(text, agent));
    const { grown } = memory();
    const error = await failure(ask(driver, 'hello'));
    expect(error.code).toBe('cli_garbled');
    expect(grown()).toBeLessThan(400 * MIB);
  });

  it('answers without end are too large', async () => {
    const { driver } = await makeDriver(flooding('{"a":"xx"}\n', { ...json, answers: 'all' }));
    expect((await failure(ask(driver, 'hello'))).code).toBe('output_too_large');
  });

  it('stderr counts as well', async () => {
    const env = { FLOOD: JSON.stringify({ text: 'y\n', stderr: true }) };
    const { driver } = await makeDriver(flooding('', { env }));
    expect((await failure(ask(driver, 'hello'))).code).toBe('cli_garbled');
  });
});

describe('a gemini whose answer passes through a file', () => {
  it.each([
    ['words', 'y\n', 'cli_garbled'],
    ['one line without end', '{', 'cli_garbled'],
    [
      'an answer without end',
      `${JSON.stringify({ type: 'message', role: 'assistant', content: 'x' })}\n`,
      'output_too_large',
    ],
  ])('is stopped before it fills the disk: %s', async (_what, text, code) => {
    // A file takes more in a second than a disk has room for, and nobody is there to hold the tool back: at this pace the
    // bound is ten seconds' worth, which no busy machine takes to see it.
    const env = { FLOOD: JSON.stringify({ text, pause_ms: 1 }) };
    const gemini = { agent_type: 'cli_gemini', driver: 'headless', env };
    const { driver, state_dir } = await makeDriver(flooding(text, gemini, { GEMINI_API_KEY: 'key' }));
    let largest = 0;
    const timer = setInterval(() => {
      void (async () => {
        for (const home of await readdir(join(state_dir, 'homes')))
          largest = Math.max(largest, (await stat(join(state_dir, 'homes', home, 'stdout'))).size);
      })().catch(() => undefined);
    }, 10);
    onTestFinished(() => {
      clearInterval(timer);
    });
    expect((await failure(ask(driver, 'hello'))).code).toBe(code);
    expect(largest).toBeGreaterThan(0);
    expect(largest).toBeLessThan(600 * MIB);
    expect(await readdir(join(state_dir, 'homes'))).toEqual([]);
  });
});
