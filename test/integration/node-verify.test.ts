import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { NO_MODEL } from '../../node-agent/verify/error.ts';
import type { VerifyReply } from '../../protocol/control.ts';
import { failure } from '../node-agent/drivers/fixture.ts';
import { root } from '../support/built.ts';
import { type GeminiStub, startGeminiStub } from '../support/gemini-stub.ts';
import { type LoneNode, loneNode, script } from '../support/lone-node.ts';
import { type OllamaStub, startOllamaStub } from '../support/ollama-stub.ts';
import { runs } from '../support/running.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { waitFor } from '../support/wait.ts';

async function ollama(options?: Parameters<typeof startOllamaStub>[0]): Promise<OllamaStub> {
  const stub = await startOllamaStub(options);
  onTestFinished(() => stub.close());
  return stub;
}

const outcomes = ({ checks }: VerifyReply): Record<string, string> =>
  Object.fromEntries(checks.map(({ check, outcome, error }) => [check, error?.code ?? outcome]));

const allPassed = { prompt: 'passed', stream: 'passed', cancel: 'passed', error: 'passed', json: 'passed' };

/** What a model makes of the suite's prompts. */
const document = (prompt: string): string => prompt.slice(prompt.indexOf('{'));

async function gemini(): Promise<GeminiStub> {
  const stub = await startGeminiStub();
  onTestFinished(() => stub.close());
  stub.answer(({ model, prompt }) => {
    if (model === NO_MODEL) return { status: 404, message: `models/${NO_MODEL} is not found` };
    if (prompt.startsWith('Count')) return { text: ['one\n', 'two\n', 'three'] };
    // It does not come to an end by itself.
    if (prompt.startsWith('Write')) return new Promise(() => undefined);
    return prompt.includes('JSON') ? document(prompt) : 'OK';
  });
  return stub;
}

/** The real CLI, as if it were another version of it. */
async function otherGemini(version: string): Promise<string> {
  const directory = join(await temporaryDirectory(), 'gemini-cli');
  await mkdir(join(directory, 'bundle'), { recursive: true });
  const real = join(root, 'node_modules', '@google', 'gemini-cli', 'bundle', 'gemini.js');
  const file = join(directory, 'bundle', 'gemini.js');
  await writeFile(
    join(directory, 'package.json'),
    JSON.stringify({ name: '@google/gemini-cli', version, type: 'module' }),
  );
  await writeFile(file, `#!/usr/bin/env node\nawait import(${JSON.stringify(real)});\n`, { mode: 0o755 });
  return file;
}

/** A tool with a print mode, in shell; `$prompt` is what it was asked. */
async function tool(body: string): Promise<string> {
  const file = join(await temporaryDirectory(), 'tool.sh');
  await writeFile(file, `#!/bin/sh\nprompt=$(cat)\n${body}\n`, { mode: 0o755 });
  return file;
}

/** The ids of the tools that have noted theirs, once one has. */
const pidsIn = (file: string): Promise<number[]> =>
  waitFor(
    async () => {
      const text = await readFile(file, 'utf8');
      return text.endsWith('\n') && text.trim().split('\n').map(Number);
    },
    { what: 'the tool' },
  );

const printing = `case "$prompt" in
  *JSON*) printf '%s' "{\${prompt#*\\{}" ;;
  Write*) echo $$ >> "$0.pids"; sleep 600 ;;
  *) echo OK ;;
esac`;

describe('the compatibility suite', () => {
  test.each(['acp', 'headless'] as const)(
    'passes with the real gemini CLI through the %s driver',
    async driver => {
      const stub = await gemini();
      const node = await loneNode({ agent: { agent_type: 'cli_gemini', driver, env: stub.environment } });
      await node.start();
      const reply = await node.verify();
      expect(outcomes(reply)).toEqual(allPassed);
      expect(reply).toMatchObject({ agent_id: 'one', cli_version: '0.61.0', passed: true });
      // What a check brings about is not held against the agent.
      await node.shows('one', { health: 'ready', running: 0 });
      expect((await node.status()).agents[0]?.recent).toBeUndefined();
    },
  );

  test('tries another executable of the agent, while its own takes no work', async () => {
    const stub = await gemini();
    const other = await otherGemini('0.62.0');
    const node = await loneNode({
      agent: {
        agent_type: 'cli_gemini',
        driver: 'headless',
        env: stub.environment,
        expected_version: '^0.60.0',
        alternatives: [other],
      },
    });
    await node.start('answers');
    await node.shows('one', { health: 'unavailable', cli_version: '0.61.0' });
    expect((await node.verify()).cli_version).toBe('0.61.0');
    const reply = await node.verify({ command: other });
    expect(outcomes(reply)).toEqual(allPassed);
    expect(reply.cli_version).toBe('0.62.0');
    expect((await node.status()).agents[0]).toMatchObject({
      cli_version: '0.61.0',
      problem: { code: 'version_mismatch' },
    });
    expect(await node.run()).toMatchObject({ error: { code: 'version_mismatch' } });
  });

  test('passes with an Ollama model, on an agent that is disabled', async () => {
    const stub: OllamaStub = await ollama({ models: ['llama3:latest'] });
    stub.answer(({ prompt }) => {
      if (prompt.startsWith('Count')) return 'one two three';
      if (prompt.startsWith('Write')) return new Promise(() => undefined);
      return prompt.includes('JSON') ? document(prompt) : 'OK';
    });
    const node = await loneNode({
      agent: { agent_type: 'ollama', endpoint: stub.url, model: 'llama3' },
    });
    await node.start();
    await node.configure({ agents: { one: { enabled: false } } });
    expect(outcomes(await node.verify())).toEqual(allPassed);
    expect(await node.run()).toMatchObject({ error: { code: 'agent_disabled' } });
    expect((await node.status()).agents[0]).toMatchObject({ health: 'ready', running: 0 });
    const refused = await failure(node.verify({ command: '/bin/true' }));
    expect(refused.code).toBe('not_permitted');
  });

  test('says of a tool with a print mode what cannot be asked of it, and leaves no process', async () => {
    const command = await tool(printing);
    const node = await loneNode({ agent: { command } });
    await node.start();
    const reply = await node.verify();
    expect(reply.passed).toBe(true);
    expect(outcomes(reply)).toEqual({ ...allPassed, stream: 'skipped', error: 'skipped' });
    const pids = await pidsIn(`${command}.pids`);
    expect(pids.filter(runs)).toEqual([]);
  });

  test('tells each check that fails, with a code and with what came', async () => {
    const node = await loneNode();
    await node.start();
    const reply = await node.verify();
    expect(reply.passed).toBe(false);
    expect(outcomes(reply)).toMatchObject({ prompt: 'passed', json: 'cli_garbled' });
    expect(reply.checks.at(-1)?.detail).toContain('echo: Reply with exactly');
  });

  test('of a tool that is missing fails at the first check', async () => {
    const node = await loneNode({ agent: { agent_type: 'cli_gemini', command: '/nowhere/gemini' } });
    await node.start('answers');
    const reply = await node.verify();
    expect(reply.passed).toBe(false);
    expect(outcomes(reply)).toMatchObject({ prompt: 'cli_missing', json: 'skipped' });
  });

  test('is refused for a command that the file does not name, an unknown agent, and a drained node', async () => {
    const node = await loneNode({ agent: { alternatives: ['/usr/bin/true'] } });
    await node.start();
    const refused = await failure(node.verify({ command: '/bin/cat' }));
    expect(refused.code).toBe('not_permitted');
    expect(refused.message).toContain('alternatives');
    expect((await failure(node.verify({ agent_id: 'nobody' }))).code).toBe('agent_unknown');
    await node.drain(true);
    expect((await failure(node.verify())).code).toBe('draining');
  });

  test('runs once at a time for an agent, in one of its slots, while the node goes on', async () => {
    const gate = join(await temporaryDirectory(), 'open');
    const command = await tool(`while [ ! -e '${gate}' ]; do sleep 0.02; done\n${printing}`);
    const node: LoneNode = await loneNode({
      settings: {
        agents: [
          { id: 'one', agent_type: 'cli_generic', command, max_concurrent: 1 },
          { id: 'two', agent_type: 'cli_generic', command: '/bin/cat' },
        ],
      },
    });
    await node.start();
    const verifying = node.verify();
    await node.shows('one', { running: 1 });
    expect((await failure(node.verify())).code).toBe('slots_taken');
    expect(await node.run()).toMatchObject({ error: { code: 'slots_taken' } });
    await node.run({ agent_id: 'two', prompt: script({}) });
    await node.reported(1);
    await writeFile(gate, '');
    expect((await verifying).passed).toBe(true);
  });

  test('ends with the daemon that stops, and so does what it has started', async () => {
    const command = await tool(printing.replace('echo OK', () => 'echo $$ >> "$0.pids"; sleep 600'));
    const node = await loneNode({ agent: { command } });
    const daemon = await node.startProcess();
    // Nobody is left to answer it.
    node.verify().catch(() => undefined);
    const pids = await pidsIn(`${command}.pids`);
    expect(pids.every(runs)).toBe(true);
    daemon.signal('SIGTERM');
    expect(await daemon.ended).toBe(0);
    expect(pids.filter(runs)).toEqual([]);
  });
});
