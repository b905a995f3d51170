import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { scriptedAgent, testFleet } from '../support/fleet.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { waitFor } from '../support/wait.ts';

const script = (what: Record<string, unknown>): string => `#${JSON.stringify(what)}`;

describe('a task on a scripted agent', () => {
  test('is answered, and its view tells who answered and how long it took', async () => {
    const fleet = await testFleet();
    await fleet.startNode({ agents: [scriptedAgent('walnut-echo')] });
    await fleet.agentReady('walnut-echo');
    const task = await fleet.run({ prompt: 'hello' });
    expect(task).toMatchObject({
      status: 'completed',
      response: 'echo: hello',
      agent_id: 'walnut-echo',
      node: 'walnut',
      attempts: [{ attempt: 1, started: true }],
    });
    expect(task.execution_time_ms).toBeGreaterThan(0);
  });

  test('keeps any unicode as it came', async () => {
    const fleet = await testFleet();
    await fleet.startNode({ agents: [scriptedAgent('walnut-echo')] });
    await fleet.agentReady('walnut-echo');
    const prompt =
      'żółw 🐢 \u{1F468}‍\u{1F469}‍\u{1F467} \u0000'.replace('\u0000', '\u0001') + ' \u202e rtl \u{10FFFF}';
    expect((await fleet.run({ prompt })).response).toBe(`echo: ${prompt}`);
  });

  test('travels as slices when prompt and answer are long', async () => {
    const fleet = await testFleet();
    await fleet.startNode({ agents: [scriptedAgent('walnut-echo')] });
    await fleet.agentReady('walnut-echo');
    const prompt = 'ä'.repeat(450_000);
    const task = await fleet.run({ prompt });
    expect(task.status).toBe('completed');
    expect(task.response).toBeUndefined();
    const ref = task.response_ref;
    expect(ref?.size_bytes).toBe(Buffer.byteLength(`echo: ${prompt}`));
    const slices: Buffer[] = [];
    for (let index = 0; index < (ref?.slices ?? 0); index += 1) {
      slices.push(
        Buffer.from((await fleet.call('download', { task_id: task.task_id, index })).data, 'base64'),
      );
    }
    expect(Buffer.concat(slices).toString()).toBe(`echo: ${prompt}`);
  });

  test('waits for a slot when all are taken, says so, and runs when one is free', async () => {
    const fleet = await testFleet();
    await fleet.startNode({ agents: [scriptedAgent('walnut-echo', { max_concurrent: 1 })] });
    await fleet.agentReady('walnut-echo');
    const gate = join(await temporaryDirectory(), 'open');
    const first = await fleet.call('submit', { prompt: script({ say: 'first', gate }) });
    await fleet.reaches(first.task_id, 'running');
    const second = await fleet.call('submit', { prompt: script({ say: 'second' }) });
    const waiting = await waitFor(async () => {
      const view = await fleet.call('get', { task_id: second.task_id });
      return view.waiting_for === undefined ? undefined : view;
    });
    expect(waiting.waiting_for).toBe('The only slot of walnut-echo is taken.');
    await writeFile(gate, '');
    expect((await fleet.reaches(second.task_id, 'completed')).response).toBe('second');
    expect((await fleet.reaches(first.task_id, 'completed')).response).toBe('first');
  });

  test('fails with slots_taken when it may not wait longer', async () => {
    const fleet = await testFleet();
    await fleet.startNode({ agents: [scriptedAgent('walnut-echo', { max_concurrent: 1 })] });
    await fleet.agentReady('walnut-echo');
    const gate = join(await temporaryDirectory(), 'open');
    const first = await fleet.call('submit', { prompt: script({ say: 'first', gate }) });
    await fleet.reaches(first.task_id, 'running');
    const second = await fleet.run({ prompt: 'second', max_queue_ms: 200 });
    expect(second).toMatchObject({ status: 'failed', error: { code: 'slots_taken' }, attempts: [] });
    await writeFile(gate, '');
    await fleet.reaches(first.task_id, 'completed');
  });

  test('is tried again after a crash, three times in all, and then fails with what happened', async () => {
    const fleet = await testFleet();
    await fleet.startNode({ agents: [scriptedAgent('walnut-echo')] });
    await fleet.agentReady('walnut-echo');
    const task = await fleet.run({ prompt: script({ exit: 3, stderr: 'boom' }) });
    expect(task).toMatchObject({ status: 'failed', error: { code: 'cli_crashed' } });
    expect(task.attempts.map(attempt => attempt.error?.code)).toEqual([
      'cli_crashed',
      'cli_crashed',
      'cli_crashed',
    ]);
    expect(task.error?.cause ?? task.error?.message).toContain('boom');
  });

  test('runs once only when it says max_attempts 1', async () => {
    const fleet = await testFleet();
    await fleet.startNode({ agents: [scriptedAgent('walnut-echo')] });
    await fleet.agentReady('walnut-echo');
    const task = await fleet.run({ prompt: script({ exit: 3 }), max_attempts: 1 });
    expect(task.attempts).toHaveLength(1);
  });

  test('that hangs past its timeout fails with task_timeout and is not repeated', async () => {
    const fleet = await testFleet();
    await fleet.startNode({ agents: [scriptedAgent('walnut-echo')] });
    await fleet.agentReady('walnut-echo');
    const task = await fleet.run({ prompt: script({ hang: true }), timeout_ms: 300 });
    expect(task).toMatchObject({ status: 'failed', error: { code: 'task_timeout' } });
    expect(task.attempts).toHaveLength(1);
  });

  test('whose answer is over the limit fails with output_too_large and keeps what came', async () => {
    const fleet = await testFleet();
    await fleet.startNode({ agents: [scriptedAgent('walnut-echo')], settings: { max_output: '64KiB' } });
    await fleet.agentReady('walnut-echo');
    const task = await fleet.run({ prompt: script({ say: 'x'.repeat(1000), repeat: 200 }) });
    expect(task).toMatchObject({
      status: 'failed',
      error: { code: 'output_too_large' },
      completeness: 'partial',
    });
    expect(task.response).toBe('x'.repeat(64 * 1024));
  });

  test('with an empty answer fails with empty_reply', async () => {
    const fleet = await testFleet();
    await fleet.startNode({ agents: [scriptedAgent('walnut-echo')] });
    await fleet.agentReady('walnut-echo');
    const task = await fleet.run({ prompt: script({ say: '' }), max_attempts: 1 });
    expect(task.error?.code).toBe('empty_reply');
  });
});

describe('cancelling', () => {
  test('ends a queued task without it ever running', async () => {
    const fleet = await testFleet();
    await fleet.startNode({ agents: [scriptedAgent('walnut-echo', { max_concurrent: 1 })] });
    await fleet.agentReady('walnut-echo');
    const gate = join(await temporaryDirectory(), 'open');
    const first = await fleet.call('submit', { prompt: script({ say: 'first', gate }) });
    await fleet.reaches(first.task_id, 'running');
    const { task_id } = await fleet.call('submit', { prompt: 'second' });
    expect(await fleet.call('cancel', { task_id })).toMatchObject({
      status: 'cancelled',
      attempts: [],
      stop_confirmed: true,
    });
    await writeFile(gate, '');
    await fleet.reaches(first.task_id, 'completed');
  });

  test('ends a running task and confirms that it stopped', async () => {
    const fleet = await testFleet();
    await fleet.startNode({ agents: [scriptedAgent('walnut-echo')] });
    await fleet.agentReady('walnut-echo');
    const { task_id } = await fleet.call('submit', { prompt: script({ hang: true }) });
    await fleet.reaches(task_id, 'running');
    expect(await fleet.call('cancel', { task_id })).toMatchObject({
      status: 'cancelled',
      stop_confirmed: true,
    });
    expect(await fleet.call('cancel', { task_id })).toMatchObject({ status: 'cancelled' });
  });
});

describe('submitting', () => {
  test('the same id twice gives the same task, and another request under it is a conflict', async () => {
    const fleet = await testFleet();
    await fleet.startNode({ agents: [scriptedAgent('walnut-echo')] });
    await fleet.agentReady('walnut-echo');
    const first = await fleet.run({ task_id: 'mine', prompt: 'hello' });
    const again = await fleet.run({ task_id: 'mine', prompt: 'hello' });
    expect(again).toEqual(first);
    await expect(fleet.call('submit', { task_id: 'mine', prompt: 'other' })).rejects.toMatchObject({
      code: 'idempotency_conflict',
    });
    const keyed = await fleet.call('submit', { idempotency_key: 'k', prompt: 'hello' });
    expect((await fleet.call('submit', { idempotency_key: 'k', prompt: 'hello' })).task_id).toBe(
      keyed.task_id,
    );
  });

  test.each([
    ['an empty prompt', { prompt: ' \n' }, 'prompt_empty'],
    ['a NUL', { prompt: 'a\u0000b' }, 'prompt_has_nul'],
    ['no prompt at all', {}, 'invalid_request'],
    ['an unknown agent', { prompt: 'x', agent_id: 'nobody' }, 'agent_unknown'],
    ['a type nobody is of', { prompt: 'x', agent_type: 'cli_codex' as const }, 'agent_type_unknown'],
    ['a specialty nobody has', { prompt: 'x', specialty: 'profiler' as const }, 'no_agent_fits'],
    ['a model nobody serves', { prompt: 'x', model: 'gpt-9' }, 'model_not_found'],
    [
      'slices that were never uploaded',
      { task_id: 'up', prompt_ref: { slices: 1, size_bytes: 3, sha256: 'a'.repeat(64) } },
      'slices_incomplete',
    ],
  ])('is refused for %s, and nothing is stored', async (_what, request, code) => {
    const fleet = await testFleet();
    await fleet.startNode({ agents: [scriptedAgent('walnut-echo', { models: ['m1'] })] });
    await fleet.agentReady('walnut-echo');
    await expect(fleet.call('submit', request)).rejects.toMatchObject({ code });
    expect((await fleet.call('list', {})).tasks).toEqual([]);
  });

  test('to a fleet without any agent is refused with no_agents', async () => {
    const fleet = await testFleet();
    await expect(fleet.call('submit', { prompt: 'x' })).rejects.toMatchObject({ code: 'no_agents' });
  });

  test('for an agent whose CLI is missing is refused with cli_missing', async () => {
    const fleet = await testFleet();
    await fleet.startNode({ agents: [scriptedAgent('walnut-lost', { command: '/nowhere/tool' })] });
    await expect(fleet.call('submit', { prompt: 'x' })).rejects.toMatchObject({ code: 'cli_missing' });
  });

  test('a prompt larger than the agent takes is refused with prompt_too_large', async () => {
    const fleet = await testFleet();
    await fleet.startNode({ agents: [scriptedAgent('walnut-echo', { max_prompt: '1KiB' })] });
    await fleet.agentReady('walnut-echo');
    await expect(fleet.call('submit', { prompt: 'x'.repeat(1025) })).rejects.toMatchObject({
      code: 'prompt_too_large',
    });
  });
});
