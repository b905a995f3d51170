import { describe, expect, test } from 'vitest';
import { scriptedAgent, testFleet } from '../support/fleet.ts';
import { ollamaStub } from '../support/ollama-stub.ts';
import { uploadText } from '../support/upload.ts';

const said = {
  instructions: 'Be brief.',
  turns: [{ prompt: 'My name is Ada.', response: 'Hello Ada.' }],
  dropped: 0,
  prompt: 'What is my name?',
};

describe('a conversation that a caller sends', () => {
  test('reaches a CLI as one text', async () => {
    const fleet = await testFleet();
    await fleet.startNode({ agents: [scriptedAgent('one')] });
    await fleet.agentReady('one');
    const task = await fleet.run({ prompt: JSON.stringify(said), conversation: true });
    expect(task.status).toBe('completed');
    expect(task.response).toContain('[[turn 0 instructions]]\nBe brief.\n');
    expect(task.response).toContain('[[turn 1 user]]\nMy name is Ada.\n');
    expect(task.response).toContain('[[turn 1 assistant]]\nHello Ada.\n');
    expect(task.response?.trimEnd().endsWith('[[turn 2 user]]\nWhat is my name?')).toBe(true);
  });

  test('longer than a message arrives whole', async () => {
    const fleet = await testFleet();
    await fleet.startNode({ agents: [scriptedAgent('one')] });
    await fleet.agentReady('one');
    const long = { ...said, turns: [{ prompt: 'a'.repeat(1_500_000), response: 'Hm.' }] };
    const text = JSON.stringify(long);
    const prompt_ref = await uploadText(fleet, 'long', text);
    const task = await fleet.run({ task_id: 'long', prompt_ref, conversation: true });
    expect(task).toMatchObject({ status: 'completed', prompt_bytes: text.length });
  });

  test('reaches Ollama as messages, with the format and the sampling that its caller wants', async () => {
    const stub = await ollamaStub();
    const fleet = await testFleet();
    await fleet.startNode({
      agents: [{ id: 'llama', agent_type: 'ollama', endpoint: stub.url, model: 'llama3' }],
    });
    await fleet.agentReady('llama');
    const format = { type: 'object', properties: { name: { type: 'string' } } };
    await fleet.run({
      prompt: JSON.stringify({ ...said, format }),
      conversation: true,
      generation: { max_tokens: 9, temperature: 0, stop: ['END'], seed: 1 },
    });
    expect(stub.requests[0]).toMatchObject({
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'My name is Ada.' },
        { role: 'assistant', content: 'Hello Ada.' },
        { role: 'user', content: 'What is my name?' },
      ],
      format,
      options: { num_predict: 9, temperature: 0, stop: ['END'], seed: 1 },
    });
  });
});
