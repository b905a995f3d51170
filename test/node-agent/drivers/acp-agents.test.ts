/** Other CLIs that speak the protocol, and what a CLI may do that the real ones rarely do. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from '../../support/built.ts';
import { waitFor } from '../../support/wait.ts';
import { ask, failure, makeDriver } from './fixture.ts';

const command = join(root, 'test/support/tools/acp-agent.mjs');
const never = new AbortController().signal;
const generic = (...args: string[]) => ({
  agent_type: 'cli_generic',
  driver: 'acp',
  command,
  args,
  cwd: root,
  tool_policy: 'yolo',
});

describe('any agent that speaks the protocol', () => {
  it('answers; what is a remark of a CLI that says its name is no part of the answer', async () => {
    const { driver } = await makeDriver({ agent: generic('echo', 'gemini-cli') });
    expect(await driver.probe(never)).toEqual({
      cli_version: '9.9.9',
      cli_path: join(root, 'test', 'support', 'tools', 'acp-agent.mjs'),
      node_path: process.execPath,
      node_version: process.version,
      signed_in: 'yes',
    });
    const answer = await ask(driver, 'hello', { tool_policy: 'yolo' });
    expect(answer).toMatchObject({ text: 'hello', completeness: 'unknown', warm: true });
    expect(answer.usage).toBeUndefined();
    const { driver: other } = await makeDriver({ agent: generic('echo') });
    expect((await ask(other, 'hello', { tool_policy: 'yolo' })).text).toBe('[MODE_UPDATE] planhello');
  });

  it.each([
    ['allow_once', 'yolo', 'go'],
    ['allow_once', 'auto_edit', 'no'],
    ['allow_once', 'deny', 'no'],
    ['allow_always', 'yolo', 'no'],
  ] as const)('is offered %s under "%s" and hears "%s"', async (kind, tool_policy, chosen) => {
    const options = [
      { optionId: 'go', name: 'Go', kind },
      { optionId: 'no', name: 'No', kind: 'reject_once' },
    ];
    const { driver } = await makeDriver({ agent: { ...generic('ask', JSON.stringify(options)) } });
    const { text } = await ask(driver, 'may I?', { tool_policy });
    expect(JSON.parse(text)).toEqual({ outcome: 'selected', optionId: chosen });
  });

  it('hears "cancelled" when there is nothing to choose from', async () => {
    const { driver } = await makeDriver({ agent: generic('ask', '[]') });
    expect(JSON.parse((await ask(driver, 'may I?')).text)).toEqual({ outcome: 'cancelled' });
  });

  it.each([
    ['refusal', 'safety_refused'],
    ['max_tokens', 'reply_truncated'],
    ['max_turn_requests', 'reply_truncated'],
    ['cancelled', 'cli_crashed'],
    ['end_turn', 'empty_reply'],
  ])('that stops with "%s" has failed with %s', async (reason, code) => {
    const { driver } = await makeDriver({ agent: generic('stop', reason) });
    expect((await failure(ask(driver, 'hello'))).code).toBe(code);
  });

  it('is replaced when a cancelled prompt does not end', async () => {
    const fixture = await makeDriver({ agent: generic('stubborn'), cancel_grace_ms: 500 });
    const { driver } = fixture;
    const controller = new AbortController();
    let begun = 0;
    const run = (signal: AbortSignal) =>
      driver.run(
        { task_id: 'task', attempt: 1, prompt: 'hello', tool_policy: 'yolo' },
        { onChunk: () => (begun += 1) },
        signal,
      );
    const cancelled = run(controller.signal);
    const other = failure(run(never));
    await waitFor(() => begun === 2);
    controller.abort(new Error('enough'));
    await expect(cancelled).rejects.toThrow('enough');
    expect((await other).code).toBe('cli_crashed');
    expect(driver.warm).toBe(false);
    await driver.probe(never);
    expect(fixture.events.map(({ event }) => event)).toEqual([
      'cli_started',
      'cli_ended',
      'cli_last_words',
      'cli_started',
    ]);
  });

  it('that closes its pipe is stopped', async () => {
    const { driver } = await makeDriver({ agent: generic('hang-up') });
    expect((await failure(ask(driver, 'hello'))).code).toBe('cli_crashed');
    expect(driver.warm).toBe(false);
  });

  it('that never answers its first request is given up', async () => {
    const { driver } = await makeDriver({ agent: generic('mute'), initialize_timeout_ms: 300 });
    const error = await failure(driver.probe(never));
    expect(error.code).toBe('cli_crashed');
    expect(error.message).toContain('300 ms');
  });

  it('that ends at once tells its last words', async () => {
    const { driver } = await makeDriver({ agent: generic('exit', '7') });
    const error = await failure(driver.probe(never));
    expect(error).toMatchObject({ code: 'cli_crashed', cause: { message: 'cannot go on' } });
    expect(error.message).toContain('exit code 7');
  });

  it('that makes no more sessions, though it lives, is replaced for the task that needs one', async () => {
    const agent = { ...generic('barren'), max_concurrent: 1 };
    const fixture = await makeDriver({ agent });
    await ask(fixture.driver, 'one');
    await ask(fixture.driver, 'two');
    expect((await ask(fixture.driver, 'three')).text).toBe('three');
    expect(fixture.events.filter(({ event }) => event === 'cli_started')).toHaveLength(2);
  });

  it('that makes no session is not ready', async () => {
    const { driver } = await makeDriver({ agent: generic('closed') });
    const error = await failure(driver.probe(never));
    expect(error.message).toContain('no room for sessions');
    expect(driver.warm).toBe(false);
  });

  it('that gets stuck making sessions is replaced for the task that needs one', async () => {
    const agent = { ...generic('slow'), max_concurrent: 1 };
    const fixture = await makeDriver({ agent, initialize_timeout_ms: 3_000 });
    const { driver } = fixture;
    await ask(driver, 'one');
    await ask(driver, 'two');
    expect((await ask(driver, 'three')).text).toBe('three');
    expect(fixture.events.filter(({ event }) => event === 'cli_started')).toHaveLength(2);
  });

  it('that gets stuck does not hold up a cancel', async () => {
    const { driver } = await makeDriver({
      agent: { ...generic('slow'), max_concurrent: 1 },
      cancel_grace_ms: 100,
    });
    await ask(driver, 'one');
    await ask(driver, 'two');
    const controller = new AbortController();
    const stuck = ask(driver, 'three', { signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(stuck).rejects.toThrow('enough');
    await driver.close();
  });

  it('can be closed while it starts', async () => {
    const { driver } = await makeDriver({ agent: generic('mute') });
    const probe = failure(driver.probe(never));
    await driver.close();
    expect((await probe).code).toBe('draining');
  });
});

describe('a gemini with a strange end', () => {
  it.each([
    ['41', 'cli_not_signed_in'],
    ['52', 'config_invalid'],
    ['1', 'cli_crashed'],
  ])('exit code %s while starting means %s', async (exit, code) => {
    const { driver } = await makeDriver({
      agent: {
        agent_type: 'cli_gemini',
        command: join(root, 'test/support/tools/gemini-exit.mjs'),
        env: { EXIT: exit },
      },
      environment: { GEMINI_API_KEY: 'key' },
    });
    expect((await failure(driver.probe(never))).code).toBe(code);
  });

  it('waits for a sign-in that nobody can give it', async () => {
    const { driver } = await makeDriver({
      agent: { agent_type: 'cli_gemini', command: join(root, 'test/support/tools/gemini-exit.mjs') },
      environment: { GOOGLE_GENAI_USE_VERTEXAI: 'true' },
      initialize_timeout_ms: 300,
    });
    expect((await failure(driver.probe(never))).code).toBe('cli_crashed');
  });
});
