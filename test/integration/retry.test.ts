import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { INLINE_TEXT_BYTES } from '../../protocol/limits.ts';
import { scriptedAgent, type TestFleet, testCoordinator, testFleet } from '../support/fleet.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const script = (what: Record<string, unknown>): string => `#${JSON.stringify(what)}`;
const ended = (fleet: TestFleet, task_id: string) => fleet.call('get', { task_id, wait_ms: 60_000 });

async function oneAgent(): Promise<TestFleet> {
  const fleet = await testFleet();
  await fleet.startNode({ agents: [scriptedAgent('one')] });
  await fleet.agentReady('one');
  return fleet;
}

describe('a finished task that is run again', () => {
  test('is a new one with the same prompt and options, which names the old one', async () => {
    const fleet = await oneAgent();
    const first = await fleet.run({ prompt: 'hello', priority: 3, labels: {}, timeout_ms: 9_000 });
    const second = await fleet.call('retry', { task_id: first.task_id });
    expect(second.task_id).not.toBe(first.task_id);
    expect(second.options).toEqual({
      priority: 3,
      labels: {},
      timeout_ms: 9_000,
      retry_of: first.task_id,
    });
    expect(await ended(fleet, second.task_id)).toMatchObject({ response: 'echo: hello', attempts: [{}] });
    expect(await fleet.call('get', { task_id: first.task_id })).toEqual(first);
    const third = await fleet.call('retry', { task_id: second.task_id });
    expect(third.options).toMatchObject({ priority: 3, retry_of: second.task_id });
  });

  test('has a long prompt whole, under its own name', async () => {
    const fleet = await oneAgent();
    const prompt = `${'🚀'.repeat(INLINE_TEXT_BYTES / 4)}!`;
    const first = await fleet.run({ prompt });
    const second = await fleet.call('retry', { task_id: first.task_id });
    expect(second.prompt_bytes).toBe(first.prompt_bytes);
    const { response_ref } = await ended(fleet, second.task_id);
    expect(response_ref).toEqual(first.response_ref);
  });

  test('is still a conversation', async () => {
    const fleet = await oneAgent();
    const said = { instructions: 'Be brief.', turns: [], dropped: 0, prompt: 'hello' };
    const first = await fleet.run({ prompt: JSON.stringify(said), conversation: true });
    const second = await fleet.call('retry', { task_id: first.task_id });
    expect((await ended(fleet, second.task_id)).response).toBe(first.response);
    expect(first.response).toContain('[[turn 0 instructions]]');
  });

  test('goes on with its session', async () => {
    const fleet = await oneAgent();
    const first = await fleet.run({ prompt: 'My name is Ada.', session_id: 's1' });
    await fleet.run({ prompt: 'My cat is Bob.', session_id: 's1' });
    const again = await fleet.call('retry', { task_id: first.task_id });
    const { options, response } = await ended(fleet, again.task_id);
    expect(options.session_id).toBe('s1');
    expect(response).toContain('My cat is Bob.');
    expect(response?.trimEnd().endsWith('My name is Ada.')).toBe(true);
  });

  test('stays in the group of its coordination without being an answer of it', async () => {
    const fleet = await oneAgent();
    const reply = await fleet.call('coordinate', { prompt: 'hello', agents: ['one'], coordination_id: 'c1' });
    const [part] = reply.parts;
    const again = await fleet.call('retry', { task_id: part?.task_id ?? '' });
    expect(again.options.group).toBe('c1');
    expect(again.options.coordination).toBeUndefined();
    const repeated = await fleet.call('coordinate', {
      prompt: 'hello',
      agents: ['one'],
      coordination_id: 'c1',
    });
    expect(repeated.parts.map(({ task_id }) => task_id)).toEqual([part?.task_id]);
  });

  test('under a name of its own is one task, however often it is asked for', async () => {
    const fleet = await oneAgent();
    const { task_id } = await fleet.run({ prompt: 'hello' });
    const other = await fleet.run({ prompt: 'another' });
    const request = { task_id, new_task_id: 'again' };
    const [one, two] = await Promise.all([fleet.call('retry', request), fleet.call('retry', request)]);
    expect([one.task_id, two.task_id]).toEqual(['again', 'again']);
    await ended(fleet, 'again');
    expect((await fleet.call('retry', request)).status).toBe('completed');
    for (const conflicting of [other.task_id, 'again'])
      await expect(fleet.call('retry', { task_id: conflicting, new_task_id: 'again' })).rejects.toMatchObject(
        { code: 'idempotency_conflict' },
      );
    await expect(fleet.call('retry', { task_id, new_task_id: task_id })).rejects.toMatchObject({
      code: 'idempotency_conflict',
    });
    expect((await fleet.call('list', { retry_of: task_id })).tasks).toHaveLength(1);
  });

  test('has to have ended, and to be known still', async () => {
    const fleet = await oneAgent();
    const gate = join(await temporaryDirectory(), 'open');
    const { task_id } = await fleet.call('submit', { prompt: script({ gate, say: 'done' }) });
    await expect(fleet.call('retry', { task_id })).rejects.toMatchObject({ code: 'task_not_finished' });
    await fleet.reaches(task_id, 'running');
    await expect(fleet.call('retry', { task_id })).rejects.toMatchObject({ code: 'task_not_finished' });
    await fleet.call('cancel', { task_id });
    await writeFile(gate, '');
    const again = await fleet.call('retry', { task_id });
    expect((await ended(fleet, again.task_id)).response).toBe('done');
    await expect(fleet.call('retry', { task_id: 'nobody' })).rejects.toMatchObject({ code: 'task_unknown' });
  });

  test('may be one that another coordinator has seen end', async () => {
    const fleet = await oneAgent();
    const { task_id } = await fleet.run({ prompt: 'hello' });
    await fleet.coordinator.stop();
    await testCoordinator(fleet.nats);
    await fleet.agentReady('one');
    const again = await fleet.call('retry', { task_id });
    expect((await ended(fleet, again.task_id)).response).toBe('echo: hello');
  });

  test('waits like any other for an agent that is away', async () => {
    const fleet = await testFleet();
    const node = await fleet.startNode({ node: 'ash', agents: [scriptedAgent('gone')] });
    await fleet.startNode({ agents: [scriptedAgent('one')] });
    await fleet.agentReady('one');
    await fleet.agentReady('gone');
    const { task_id } = await fleet.run({ prompt: 'hello', agent_id: 'gone' });
    await node.stop();
    const again = await fleet.call('retry', { task_id });
    expect(again.status).toBe('queued');
    await fleet.startNode({ node: 'ash', agents: [scriptedAgent('gone')] });
    expect((await ended(fleet, again.task_id)).response).toBe('echo: hello');
  });
});
