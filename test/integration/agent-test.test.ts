import { chmod, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { scriptedAgent, testFleet } from '../support/fleet.ts';
import { ollamaStub } from '../support/ollama-stub.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { waitFor } from '../support/wait.ts';

/** What the tools of a test say to each prompt. */
async function tool(script: string): Promise<string> {
  const file = join(await temporaryDirectory(), 'tool');
  await writeFile(file, `#!/bin/sh\n${script}\n`);
  await chmod(file, 0o755);
  return file;
}

describe('a test of an agent', () => {
  test('asks it a short question, and shows it as it is', async () => {
    const fleet = await testFleet();
    await fleet.startNode({ agents: [scriptedAgent('one')] });
    await fleet.agentReady('one');
    const reply = await fleet.call('test', { agent_id: 'one', canary: true });
    expect(reply).toMatchObject({
      ok: true,
      agent: {
        agent_id: 'one',
        node: 'walnut',
        available: true,
        health: 'ready',
        cli_path: expect.stringContaining('scripted.mjs') as string,
        node_path: process.execPath,
      },
    });
    expect(reply.problem).toBeUndefined();
    expect(reply.took_ms).toBeTypeOf('number');
  });

  test('that finds something answers with it', async () => {
    const fleet = await testFleet();
    const command = await tool('cat > /dev/null; echo "no luck" >&2; exit 3');
    await fleet.startNode({ agents: [scriptedAgent('one', { command })] });
    await fleet.agentReady('one');
    const asked = await fleet.call('test', { agent_id: 'one', canary: true });
    expect(asked).toMatchObject({ ok: false, problem: { code: 'cli_crashed' }, agent: { agent_id: 'one' } });
    const looked = await fleet.call('test', { agent_id: 'one', canary: false });
    expect(looked).toMatchObject({ ok: true });
    await rename(command, `${command}.gone`);
    const gone = await fleet.call('test', { agent_id: 'one', canary: false });
    expect(gone).toMatchObject({
      ok: false,
      problem: { code: 'cli_missing' },
      agent: { health: 'unavailable', available: false },
    });
    await rename(`${command}.gone`, command);
    expect((await fleet.call('test', { agent_id: 'one', canary: false })).ok).toBe(true);
  });

  test('tells of an agent that is well and gets no work', async () => {
    const fleet = await testFleet({ discovered: 'deny' });
    await fleet.startNode({ agents: [scriptedAgent('one')] });
    await waitFor(async () => (await fleet.call('agents', {})).agents[0]?.health === 'ready');
    const test = () => fleet.call('test', { agent_id: 'one', canary: true });
    expect(await test()).toMatchObject({ ok: false, problem: { code: 'agent_not_registered' } });
    await fleet.call('register', { agent_id: 'one', canary: false });
    expect(await test()).toMatchObject({ ok: true });
    await fleet.call('update', { agent_id: 'one', enabled: false });
    expect(await test()).toMatchObject({ ok: false, problem: { code: 'agent_disabled' } });
  });

  test('disturbs nothing that runs, and does not call a busy agent broken', async () => {
    const fleet = await testFleet();
    await fleet.startNode({ agents: [scriptedAgent('one', { max_concurrent: 1 })] });
    await fleet.agentReady('one');
    const gate = join(await temporaryDirectory(), 'open');
    const prompt = `#${JSON.stringify({ gate, say: 'done' })}`;
    const { task_id } = await fleet.call('submit', { prompt, max_attempts: 1 });
    await fleet.reaches(task_id, 'running');
    const looked = await fleet.call('test', { agent_id: 'one', canary: false });
    expect(looked).toMatchObject({ ok: true, agent: { running: 1, available: false } });
    const asked = fleet.call('test', { agent_id: 'one', canary: true });
    await writeFile(gate, '');
    expect(await asked).toMatchObject({ ok: true });
    expect(await fleet.reaches(task_id, 'completed')).toMatchObject({ response: 'done' });
  });

  test('of one that nobody knows, that several nodes have, or whose node is gone, is an error', async () => {
    const fleet = await testFleet();
    const stub = await ollamaStub();
    const llama = { id: 'llama', agent_type: 'ollama', endpoint: stub.url, model: 'llama3' };
    await fleet.startNode({ node: 'walnut', agents: [llama] });
    await fleet.startNode({ node: 'ironwood', agents: [llama] });
    await waitFor(
      async () => (await fleet.call('agents', {})).agents.filter(agent => agent.available).length === 2,
    );
    const test = (agent_id: string, node?: string) =>
      fleet.call('test', { agent_id, canary: true, ...(node !== undefined && { node }) });
    await expect(test('nobody')).rejects.toMatchObject({ code: 'agent_unknown' });
    await expect(test('llama')).rejects.toMatchObject({ code: 'invalid_request' });
    await expect(test('llama', 'ash')).rejects.toMatchObject({ code: 'node_unknown' });
    const { agent } = await test('llama', 'ironwood');
    expect(agent).toMatchObject({ node: 'ironwood', endpoint: stub.url });
    expect(agent).not.toHaveProperty('cli_path');
    expect(agent).not.toHaveProperty('node_path');
    await fleet.connection.request('ccli.node.walnut.drain', '');
    expect(await test('llama', 'walnut')).toMatchObject({ ok: false, problem: { code: 'draining' } });
  });

  test('of an agent whose node has stopped is an error', async () => {
    const fleet = await testFleet();
    const node = await fleet.startNode({ agents: [scriptedAgent('one')] });
    await fleet.agentReady('one');
    await node.stop();
    await expect(fleet.call('test', { agent_id: 'one', canary: true })).rejects.toMatchObject({
      code: 'node_lost',
    });
  });
});
