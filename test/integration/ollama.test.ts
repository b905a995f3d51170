import { describe, expect, test } from 'vitest';
import { decode } from '../../protocol/codec.ts';
import { ChunkSchema } from '../../protocol/output.ts';
import { testFleet } from '../support/fleet.ts';
import { gate } from '../support/gemini-stub.ts';
import { ollamaStub, startOllamaStub } from '../support/ollama-stub.ts';
import { waitFor } from '../support/wait.ts';

const ollamaAgent = (id: string, endpoint: string, over: Record<string, unknown> = {}) => ({
  id,
  agent_type: 'ollama',
  endpoint,
  model: 'llama3',
  ...over,
});

describe('a task on an Ollama agent', () => {
  test('is answered, with its model, its tokens and how long the model took to load', async () => {
    const stub = await ollamaStub({
      answer: () => ({ text: ['Two and ', 'two ', 'make four.'], prompt_tokens: 9, load_ms: 321 }),
    });
    const fleet = await testFleet();
    const chunks: string[] = [];
    fleet.connection.subscribe('ccli.node.walnut.output.>', {
      callback: (_, message) => {
        chunks.push(decode(ChunkSchema, message.data).text);
      },
    });
    await fleet.startNode({ agents: [ollamaAgent('walnut-llama3', stub.url)] });
    expect(await fleet.agentReady('walnut-llama3')).toMatchObject({
      agent_type: 'ollama',
      driver: 'ollama',
      endpoint: stub.url,
      model: 'llama3',
      models: ['llama3'],
      loaded_models: [],
      cli_version: '0.17.4',
      tool_policy: 'deny',
    });
    expect(await fleet.run({ prompt: 'What is 2+2?' })).toMatchObject({
      status: 'completed',
      response: 'Two and two make four.',
      completeness: 'whole',
      agent_id: 'walnut-llama3',
      model: 'llama3',
      usage: { input_tokens: 9, output_tokens: 3, total_tokens: 12 },
      load_ms: 321,
      warm: false,
      cli_version: '0.17.4',
    });
    expect(chunks).toEqual(['Two and ', 'two ', 'make four.']);
  });

  test('goes to the agent of the model that it names', async () => {
    const stub = await ollamaStub({ models: ['llama3:latest', 'qwen3:8b'], answer: ({ model }) => model });
    const fleet = await testFleet();
    await fleet.startNode({
      agents: [
        ollamaAgent('walnut-llama3', stub.url),
        ollamaAgent('walnut-qwen3', stub.url, { model: 'qwen3:8b' }),
      ],
    });
    await fleet.agentReady('walnut-llama3');
    await fleet.agentReady('walnut-qwen3');
    const [one, other] = await Promise.all([
      fleet.run({ prompt: 'hello', model: 'qwen3:8b' }),
      fleet.run({ prompt: 'hello', model: 'llama3' }),
    ]);
    expect(one).toMatchObject({ agent_id: 'walnut-qwen3', response: 'qwen3:8b' });
    expect(other).toMatchObject({ agent_id: 'walnut-llama3', response: 'llama3' });
  });

  test('fails at once when its prompt is longer than the context of the model', async () => {
    const stub = await ollamaStub({ num_ctx: 8 });
    const fleet = await testFleet();
    await fleet.startNode({ agents: [ollamaAgent('walnut-llama3', stub.url)] });
    await fleet.agentReady('walnut-llama3');
    const task = await fleet.run({ prompt: 'word '.repeat(20) });
    expect(task).toMatchObject({ status: 'failed', error: { code: 'context_too_long' } });
    expect(task.attempts).toHaveLength(1);
  });

  test('is stopped on the server when it is cancelled', async () => {
    const held = gate();
    async function* endlessly() {
      yield 'one ';
      await held.opened;
    }
    const stub = await ollamaStub({ answer: () => ({ text: endlessly() }) });
    const fleet = await testFleet();
    await fleet.startNode({ agents: [ollamaAgent('walnut-llama3', stub.url)] });
    await fleet.agentReady('walnut-llama3');
    const { task_id } = await fleet.call('submit', { prompt: 'hello' });
    await stub.received(1);
    await fleet.reaches(task_id, 'running');
    expect(await fleet.call('cancel', { task_id })).toMatchObject({
      status: 'cancelled',
      stop_confirmed: true,
    });
    expect(await stub.requests[0]?.ended).toBe('gone');
    held.open();
  });

  test('that gets no first token in time fails with slow_first_token', async () => {
    const held = gate();
    const stub = await ollamaStub({ answer: () => held.opened.then(() => 'late') });
    const fleet = await testFleet();
    await fleet.startNode({
      agents: [ollamaAgent('walnut-llama3', stub.url, { first_token_timeout: '100ms' })],
    });
    await fleet.agentReady('walnut-llama3');
    expect(await fleet.run({ prompt: 'hello', max_attempts: 1 })).toMatchObject({
      status: 'failed',
      error: { code: 'slow_first_token' },
    });
    held.open();
  });

  test('knows what was said before in its session', async () => {
    const stub = await ollamaStub({ answer: ({ messages }) => `answer ${String(messages.length)}` });
    const fleet = await testFleet();
    await fleet.startNode({ agents: [ollamaAgent('walnut-llama3', stub.url)] });
    await fleet.agentReady('walnut-llama3');
    await fleet.run({ prompt: 'first', session_id: 'talk' });
    expect((await fleet.run({ prompt: 'second', session_id: 'talk' })).response).toBe('answer 3');
    expect(stub.requests[1]?.messages).toEqual([
      { role: 'user', content: 'first' },
      { role: 'assistant', content: 'answer 1' },
      { role: 'user', content: 'second' },
    ]);
  });
});

describe('an Ollama agent', () => {
  test('whose model is missing is unavailable, says which there are, and takes tasks once it is pulled', async () => {
    const stub = await ollamaStub({ models: ['qwen3:8b'] });
    const fleet = await testFleet();
    await fleet.startNode({ agents: [ollamaAgent('walnut-llama3', stub.url)] });
    const agent = await waitFor(async () =>
      (await fleet.call('agents', {})).agents.find(({ problem }) => problem !== undefined),
    );
    expect(agent).toMatchObject({ health: 'unavailable', problem: { code: 'model_not_found' } });
    expect(agent.problem?.message).toContain('qwen3:8b');
    stub.models.add('llama3:latest');
    await fleet.agentReady('walnut-llama3');
    expect((await fleet.run({ prompt: 'hello' })).response).toBe('echo: hello');
  });

  test('whose server goes away takes no work until it is back, and then the task that waited', async () => {
    const stub = await startOllamaStub();
    const fleet = await testFleet();
    await fleet.startNode({ agents: [ollamaAgent('walnut-llama3', stub.url)] });
    await fleet.agentReady('walnut-llama3');
    await stub.close();
    const { task_id } = await fleet.call('submit', { prompt: 'hello', max_attempts: 100 });
    await waitFor(
      async () =>
        (await fleet.call('agents', {})).agents.find(
          ({ problem, available }) => problem?.code === 'endpoint_unreachable' && !available,
        ),
      { what: 'the agent being unavailable' },
    );
    await ollamaStub({ port: Number(new URL(stub.url).port) });
    expect((await fleet.reaches(task_id, 'completed')).response).toBe('echo: hello');
  });

  test('is shown as warm once its model is in memory', async () => {
    const stub = await ollamaStub();
    const fleet = await testFleet();
    await fleet.startNode({ agents: [ollamaAgent('walnut-llama3', stub.url)] });
    expect((await fleet.agentReady('walnut-llama3')).warm).toBe(false);
    await fleet.run({ prompt: 'hello' });
    await waitFor(async () => (await fleet.agentReady('walnut-llama3')).warm, {
      what: 'the agent being warm',
    });
    expect((await fleet.run({ prompt: 'hello' })).warm).toBe(true);
  });
});
