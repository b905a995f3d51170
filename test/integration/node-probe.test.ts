import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createCooldownFile } from '../../node-agent/cooldown-file.ts';
import { failure } from '../node-agent/drivers/fixture.ts';
import { type LoneNode, loneNode, script } from '../support/lone-node.ts';
import { type OllamaStub, startOllamaStub } from '../support/ollama-stub.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { waitFor } from '../support/wait.ts';

async function ollama(options?: Parameters<typeof startOllamaStub>[0]): Promise<OllamaStub> {
  const stub = await startOllamaStub(options);
  onTestFinished(() => stub.close());
  return stub;
}

const definition = (stub: Pick<OllamaStub, 'url'>, model = 'llama3') => ({
  ollama: { endpoint: stub.url, model },
});

async function permitting(stub: OllamaStub): Promise<LoneNode> {
  const node = await loneNode({ settings: { permit: { ollama: { endpoints: [stub.url] } } } });
  await node.start();
  return node;
}

const shell = (command: string) => ({ command: '/bin/sh', args: ['-c', `cat >/dev/null; ${command}`] });

describe('a probe', () => {
  test('looks afresh, and asks no model unless it is told to', async () => {
    const node = await loneNode();
    await node.start();
    expect(await node.probe()).toMatchObject({ agent_id: 'one', health: 'ready' });
    expect((await node.status()).agents[0]?.recent).toBeUndefined();
    const probed = await node.probe({ canary: true });
    expect(probed.canary_error).toBeUndefined();
    expect(probed).toMatchObject({ health: 'ready', running: 0, recent: { runs: 1, failed: 0 } });
    expect((await failure(node.probe({ agent_id: 'nobody' }))).code).toBe('agent_unknown');
  });

  test('with a canary tells why it was not answered', async () => {
    const node = await loneNode({ agent: shell('echo no >&2; exit 3') });
    await node.start();
    expect(await node.probe({ canary: true })).toMatchObject({
      health: 'ready',
      canary_error: { code: 'cli_crashed' },
      recent: { runs: 1, failed: 1 },
    });
  });

  test('of an agent that cools down says so, and lets it rest', async () => {
    const node = await loneNode({ agent: shell('exit 3') });
    await createCooldownFile(node.state_dir, 'one').save({ code: 'quota_exhausted', remaining_ms: 60_000 });
    await node.start();
    const probed = await node.probe({ canary: true });
    expect(probed).toMatchObject({
      cooldown_code: 'quota_exhausted',
      canary_error: { code: 'quota_exhausted' },
    });
    expect(probed.canary_error?.retry_after_ms).toBeGreaterThan(0);
    expect(probed.recent).toBeUndefined();
  });

  test('on a node that is drained sends no canary', async () => {
    const node = await loneNode();
    await node.start();
    await node.drain(true);
    expect((await node.probe({ canary: true })).canary_error?.code).toBe('draining');
  });

  test('waits for a slot to send its canary, beside all that goes on', async () => {
    const node = await loneNode({ agent: { max_concurrent: 1 } });
    const gate = join(await temporaryDirectory(), 'open');
    await node.start();
    await node.run({ prompt: script({ say: 'x', gate }) });
    const probing = node.probe({ canary: true });
    // Its slot is taken; the node answers others meanwhile.
    expect((await node.status()).agents[0]?.running).toBe(1);
    expect(await node.run({ task_id: 't2' })).toMatchObject({ error: { code: 'slots_taken' } });
    await writeFile(gate, '');
    expect((await probing).canary_error).toBeUndefined();
    await node.reported(1);
  });

  test('with settings shows the agent as they would make it', async () => {
    const stub = await ollama({ version: '0.17.4' });
    const node = await permitting(stub);
    await node.configure({ agents: { llama: definition(stub) } });
    await node.shows('llama', { health: 'ready' });
    const pinned = { ...definition(stub), expected_version: '^1' };
    expect(await node.probe({ agent_id: 'llama', definition: pinned, canary: true })).toMatchObject({
      health: 'unavailable',
      problem: { code: 'version_mismatch' },
      canary_error: { code: 'version_mismatch' },
    });
    expect(stub.requests).toEqual([]);
    expect((await node.shows('llama', { health: 'ready' })).config_revision).toBe(1);
  });
});

describe('a probe with a definition', () => {
  test('looks at an agent that is not there yet, and leaves nothing of it behind', async () => {
    const stub = await ollama({ models: ['llama3:latest'] });
    const node = await permitting(stub);
    const probed = await node.probe({ agent_id: 'llama', definition: definition(stub), canary: true });
    expect(probed).toMatchObject({
      agent_id: 'llama',
      agent_type: 'ollama',
      endpoint: stub.url,
      health: 'ready',
      cli_version: '0.17.4',
      max_concurrent: 2,
    });
    expect(probed.canary_error).toBeUndefined();
    expect(stub.requests).toHaveLength(1);
    expect((await node.status()).agents.map(({ agent_id }) => agent_id)).toEqual(['one']);
    await waitFor(async () => (await stub.connections()) === 0);
  });

  test('of a model that is missing names those that are there', async () => {
    const stub = await ollama({ models: ['llama3:latest', 'qwen3:8b'] });
    const node = await permitting(stub);
    const probed = await node.probe({ agent_id: 'x', definition: definition(stub, 'mistral'), canary: true });
    expect(probed).toMatchObject({
      health: 'unavailable',
      problem: { code: 'model_not_found' },
      canary_error: { code: 'model_not_found' },
    });
    expect(probed.problem?.message).toContain('qwen3:8b');
  });

  test('is refused where a registration would be', async () => {
    const stub = await ollama();
    const node = await permitting(stub);
    const elsewhere = definition({ url: 'http://127.0.0.1:1' });
    const codeOf = async (...args: Parameters<LoneNode['probe']>) =>
      (await failure(node.probe(...args))).code;
    expect(await codeOf({ agent_id: 'x', definition: elsewhere })).toBe('not_permitted');
    expect(await codeOf({ agent_id: 'one', definition: definition(stub) })).toBe('not_permitted');
    expect(await codeOf({ agent_id: 'x', definition: { priority: 1 } })).toBe('agent_unknown');
  });
});
