import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { scriptedAgent, type TestFleet, testCoordinator, testFleet } from '../support/fleet.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/** Two nodes with an agent each; left to itself, a task goes to `one`. */
async function twoAgents(): Promise<TestFleet & { stopTwo: () => Promise<void> }> {
  const fleet = await testFleet();
  await fleet.startNode({ node: 'walnut', agents: [scriptedAgent('one')] });
  const ironwood = await fleet.startNode({ node: 'ironwood', agents: [scriptedAgent('two')] });
  await fleet.agentReady('one');
  await fleet.agentReady('two');
  return { ...fleet, stopTwo: () => ironwood.stop() };
}

describe('a session', () => {
  test('stays on its agent, which is told what was said before', async () => {
    const { run } = await twoAgents();
    const first = await run({ prompt: 'My name is Ada.', session_id: 's1', agent_id: 'two' });
    expect(first).toMatchObject({ agent_id: 'two', response: 'echo: My name is Ada.' });
    const second = await run({ prompt: 'What is my name?', session_id: 's1' });
    expect(second.agent_id).toBe('two');
    expect(second.response).toContain('My name is Ada.');
    expect(second.response?.trimEnd().endsWith('What is my name?')).toBe(true);
    // The text of the answer itself is what was asked and answered, without the frame around it.
    const third = await run({ prompt: 'And now?', session_id: 's1' });
    expect(third.response).toContain('echo: My name is Ada.');
    expect(third.agent_id).toBe('two');
  });

  test('knows nothing of another one, nor of a task that has none', async () => {
    const { run } = await twoAgents();
    await run({ prompt: 'My name is Ada.', session_id: 's1' });
    expect((await run({ prompt: 'And mine?', session_id: 's2' })).response).toBe('echo: And mine?');
    expect((await run({ prompt: 'And mine?' })).response).toBe('echo: And mine?');
  });

  test('runs its tasks one after another, in the order of their arrival', async () => {
    const { call, run, reaches } = await twoAgents();
    const gate = join(await temporaryDirectory(), 'open');
    const prompt = `#${JSON.stringify({ gate, say: 'the first answer' })}`;
    const first = await call('submit', { prompt, session_id: 's1' });
    await reaches(first.task_id, 'running');
    const second = await call('submit', { prompt: 'second', session_id: 's1' });
    const third = await call('submit', { prompt: 'third', session_id: 's1' });
    // A task of no session overtakes them: nothing but their order holds them.
    expect((await run({ prompt: 'other' })).status).toBe('completed');
    for (const { task_id } of [second, third]) {
      const waiting = await call('get', { task_id });
      expect(waiting.status).toBe('queued');
      expect(waiting.waiting_for).toMatch(/session/);
    }
    await writeFile(gate, '');
    const { response } = await reaches(third.task_id, 'completed');
    expect(response?.indexOf('the first answer')).toBeGreaterThan(0);
    expect(response?.indexOf('second')).toBeGreaterThan(response?.indexOf('the first answer') ?? 0);
  });

  test('goes on elsewhere with all it knows when its agent is gone', async () => {
    const { run, stopTwo } = await twoAgents();
    await run({ prompt: 'My name is Ada.', session_id: 's1', agent_id: 'two' });
    await stopTwo();
    const second = await run({ prompt: 'What is my name?', session_id: 's1' });
    expect(second.agent_id).toBe('one');
    expect(second.response).toContain('My name is Ada.');
  });

  test('outlives the coordinator', async () => {
    const { run, coordinator, nats, agentReady } = await twoAgents();
    await run({ prompt: 'My name is Ada.', session_id: 's1', agent_id: 'two' });
    await coordinator.stop();
    await testCoordinator(nats);
    await agentReady('two');
    const second = await run({ prompt: 'What is my name?', session_id: 's1' });
    expect(second.agent_id).toBe('two');
    expect(second.response).toContain('My name is Ada.');
  });
});
