import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { encode } from '../../protocol/codec.ts';
import { ReportSchema } from '../../protocol/report.ts';
import { scriptedAgent, testFleet } from '../support/fleet.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { waitFor } from '../support/wait.ts';

const script = (what: Record<string, unknown>): string => `#${JSON.stringify(what)}`;

describe('a node', () => {
  test('that drains takes nothing new, finishes what runs, and takes work again when told', async () => {
    const fleet = await testFleet();
    await fleet.startNode({ agents: [scriptedAgent('walnut-echo')] });
    await fleet.agentReady('walnut-echo');
    const gate = join(await temporaryDirectory(), 'open');
    const running = await fleet.call('submit', { prompt: script({ say: 'done', gate }) });
    await fleet.reaches(running.task_id, 'running');
    const drained = await fleet.connection.request('ccli.node.walnut.drain', '');
    expect(drained.json()).toEqual({ draining: true, running: 1, outbox: 0 });
    const waiting = await fleet.call('submit', { prompt: 'later' });
    await waitFor(
      async () =>
        (await fleet.call('get', { task_id: waiting.task_id })).waiting_for === 'Node walnut is draining.',
    );
    await writeFile(gate, '');
    expect((await fleet.reaches(running.task_id, 'completed')).response).toBe('done');
    await fleet.connection.request('ccli.node.walnut.drain', JSON.stringify({ drain: false }));
    expect((await fleet.reaches(waiting.task_id, 'completed')).response).toBe('echo: later');
  });

  test('that stops hands back what still runs after its drain limit', async () => {
    const fleet = await testFleet();
    const node = await fleet.startNode({
      agents: [scriptedAgent('walnut-echo')],
      settings: { drain_timeout: '100ms' },
    });
    await fleet.agentReady('walnut-echo');
    const { task_id } = await fleet.call('submit', { prompt: script({ hang: true }), max_attempts: 1 });
    await fleet.reaches(task_id, 'running');
    await node.stop();
    expect((await fleet.reaches(task_id, 'failed')).error?.code).toBe('agent_restarted');
  });

  test('keeps a result while NATS is away and delivers it when NATS is back', async () => {
    const fleet = await testFleet();
    const state_dir = await temporaryDirectory();
    await fleet.startNode({ agents: [scriptedAgent('walnut-echo')], state_dir });
    await fleet.agentReady('walnut-echo');
    const gate = join(await temporaryDirectory(), 'open');
    const { task_id } = await fleet.call('submit', { prompt: script({ say: 'kept', gate }) });
    await fleet.reaches(task_id, 'running');
    await fleet.nats.kill();
    await writeFile(gate, '');
    await waitFor(async () =>
      (await readdir(join(state_dir, 'journal', 'outbox'))).some(name => name === `${task_id}.1`),
    );
    await fleet.nats.restart();
    expect((await fleet.reaches(task_id, 'completed')).response).toBe('kept');
    await waitFor(async () => (await readdir(join(state_dir, 'journal', 'outbox'))).length === 0);
  });

  test('probes an agent on request', async () => {
    const fleet = await testFleet();
    await fleet.startNode({ agents: [scriptedAgent('walnut-echo')] });
    await fleet.agentReady('walnut-echo');
    const probed = await fleet.connection.request(
      'ccli.node.walnut.probe',
      JSON.stringify({ agent_id: 'walnut-echo' }),
    );
    expect(probed.json()).toMatchObject({ agent_id: 'walnut-echo', health: 'ready' });
  });

  test('answers the debug door with plain text', async () => {
    const fleet = await testFleet();
    await fleet.startNode({ agents: [scriptedAgent('walnut-echo')] });
    await fleet.agentReady('walnut-echo');
    const reply = await fleet.connection.request('ccli.node.walnut.ask', '2+2?', { timeout: 10_000 });
    expect(reply.string()).toBe('echo: 2+2?');
    const refused = await fleet.connection.request('ccli.node.walnut.ask', '');
    expect(refused.headers?.get('Nats-Service-Error')).toContain('prompt_empty');
  });

  test('answers malformed requests with invalid_request and goes on', async () => {
    const fleet = await testFleet();
    await fleet.startNode({ agents: [scriptedAgent('walnut-echo')] });
    await fleet.agentReady('walnut-echo');
    for (const bytes of ['{', '[]', 'null', '{"v":1}', '['.repeat(100_000), '\xff']) {
      const reply = await fleet.connection.request('ccli.node.walnut.run', bytes);
      expect(reply.headers?.get('Nats-Service-Error')).toContain('invalid_request');
    }
    expect((await fleet.run({ prompt: 'still here' })).response).toBe('echo: still here');
  });
});

describe('a coordinator', () => {
  test('drops reports that are malformed or speak for another node, and folds the rest', async () => {
    const fleet = await testFleet();
    await fleet.startNode({ agents: [scriptedAgent('walnut-echo')] });
    await fleet.agentReady('walnut-echo');
    const forged = {
      v: 1,
      kind: 'finished',
      node: 'ironwood',
      instance_id: 'x',
      task_id: 'forged',
      attempt: 1,
      outcome: 'completed',
      completeness: 'whole',
      run_ms: 1,
      warm: false,
    } as const;
    fleet.connection.publish('ccli.node.walnut.report', 'garbage');
    fleet.connection.publish('ccli.node.walnut.report', encode(ReportSchema, forged));
    fleet.connection.publish('ccli.node.walnut.advert', 'garbage');
    expect((await fleet.run({ prompt: 'hello' })).response).toBe('echo: hello');
    await expect(fleet.call('get', { task_id: 'forged' })).rejects.toMatchObject({ code: 'task_unknown' });
  });

  test('streams chunks in order on the output subject', async () => {
    const fleet = await testFleet();
    await fleet.startNode({ agents: [scriptedAgent('walnut-echo')] });
    await fleet.agentReady('walnut-echo');
    const chunks: { n: number; text: string }[] = [];
    fleet.connection.subscribe('ccli.node.*.output.>', {
      callback: (_error, message) => {
        chunks.push(message.json());
      },
    });
    const task = await fleet.run({ prompt: script({ say: 'ab', repeat: 50 }) });
    await waitFor(() => chunks.map(chunk => chunk.text).join('') === task.response);
    expect(chunks.map(chunk => chunk.n)).toEqual(chunks.map((_, index) => index));
  });

  test('started anew finds its tasks and finishes them', async () => {
    const fleet = await testFleet();
    const { testCoordinator } = await import('../support/fleet.ts');
    await fleet.startNode({ agents: [scriptedAgent('walnut-echo')] });
    await fleet.agentReady('walnut-echo');
    const gate = join(await temporaryDirectory(), 'open');
    const running = await fleet.call('submit', { prompt: script({ say: 'survived', gate }) });
    await fleet.reaches(running.task_id, 'running');
    await fleet.coordinator.stop();
    await writeFile(gate, '');
    await testCoordinator(fleet.nats);
    expect((await fleet.reaches(running.task_id, 'completed')).response).toBe('survived');
  });

  test('tells readers of the events what became of each task', async () => {
    const fleet = await testFleet();
    await fleet.startNode({ agents: [scriptedAgent('walnut-echo')] });
    await fleet.agentReady('walnut-echo');
    const seen: string[] = [];
    fleet.connection.subscribe('ccli.event.task.*', {
      callback: (_error, message) => {
        seen.push(message.json<{ status: string }>().status);
      },
    });
    await fleet.run({ prompt: 'hello' });
    await waitFor(() => seen.at(-1) === 'completed');
    expect(seen).toEqual(['assigned', 'running', 'completed']);
  });
});
