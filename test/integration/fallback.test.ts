import { jetstreamManager } from '@nats-io/jetstream';
import { describe, expect, test } from 'vitest';
import { createCooldownFile } from '../../node-agent/cooldown-file.ts';
import type { OperationReply } from '../../protocol/operation.ts';
import { scriptedAgent, type TestFleet, testFleet } from '../support/fleet.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { waitFor } from '../support/wait.ts';

const settings = { advert_interval: '200ms' };
const chain = { agent_id: 'first', fallback: ['second'] };
const ask = { prompt: '2+2?', ...chain };

const startSecond = async (fleet: TestFleet): Promise<void> => {
  const agents = [scriptedAgent('second', { max_concurrent: 1 })];
  await fleet.startNode({ node: 'ironwood', agents, settings });
  await fleet.agentReady('second');
};

/** The record of a choice is published beside the task, so it may come a moment later. */
const explained = (fleet: TestFleet, task_id: string): Promise<OperationReply<'explain'>> =>
  waitFor(
    async () => {
      const reply = await fleet.call('explain', { task_id });
      return reply.expired !== true && reply;
    },
    { what: `the placement of ${task_id} being on record` },
  );

describe('a fallback chain', () => {
  test('is taken while the first choice cools down, and left again by itself', async () => {
    const fleet = await testFleet();
    const state_dir = await temporaryDirectory();
    await createCooldownFile(state_dir, 'first').save({ code: 'rate_limited', remaining_ms: 15_000 });
    await startSecond(fleet);
    await fleet.startNode({ node: 'walnut', agents: [scriptedAgent('first')], settings, state_dir });
    await waitFor(
      async () => {
        const { agents } = await fleet.call('agents', {});
        return agents.some(({ agent_id, cooldown_ms }) => agent_id === 'first' && cooldown_ms !== undefined);
      },
      { what: 'the cooldown being known' },
    );

    const during = await fleet.run(ask);
    expect(during).toMatchObject({ status: 'completed', agent_id: 'second', fallback: { position: 1 } });
    expect(during.fallback?.why).toMatch(/^first: first is cooling down \(rate_limited\)/);
    const { considered, left_out } = await explained(fleet, during.task_id);
    expect(left_out).toBe(0);
    expect(considered.map(({ agent_id, verdict }) => [agent_id, verdict])).toEqual([
      ['second', 'chosen'],
      ['first', 'waiting'],
    ]);
    expect(considered[1]?.code).toBe('rate_limited');

    await fleet.agentReady('first');
    const later = await fleet.run(ask);
    expect(later).toMatchObject({ status: 'completed', agent_id: 'first' });
    expect(later.fallback).toBeUndefined();
  });

  test('is taken when the first choice is lost, and left again by itself', async () => {
    const fleet = await testFleet();
    await startSecond(fleet);
    const walnut = await fleet.startNode({ node: 'walnut', agents: [scriptedAgent('first')], settings });
    await fleet.agentReady('first');
    expect((await fleet.run(ask)).agent_id).toBe('first');

    await walnut.stop();
    const lost = await fleet.run(ask);
    expect(lost).toMatchObject({
      status: 'completed',
      agent_id: 'second',
      fallback: { position: 1, why: 'first: first (node_lost)' },
    });

    await fleet.startNode({ node: 'walnut', agents: [scriptedAgent('first')], settings });
    await fleet.agentReady('first');
    expect((await fleet.run(ask)).agent_id).toBe('first');
  });

  test('is walked to its end when each of its members fails the task', async () => {
    const fleet = await testFleet();
    const agents = ['first', 'second', 'third'].map(id => scriptedAgent(id));
    await fleet.startNode({ node: 'walnut', agents, settings });
    for (const id of ['first', 'second', 'third']) await fleet.agentReady(id);
    const view = await fleet.run({
      prompt: '#{"exit":3}',
      agent_id: 'first',
      fallback: ['second', 'third'],
    });
    expect(view.status).toBe('failed');
    expect(view.attempts.map(({ agent_id, fallback }) => [agent_id, fallback?.position ?? 0])).toEqual([
      ['first', 0],
      ['second', 1],
      ['third', 2],
    ]);
  });

  test('is the policy of the fleet for tasks that bring none', async () => {
    const fleet = await testFleet({ fallback: { first: ['second'] } });
    await startSecond(fleet);
    expect(await fleet.run({ prompt: '2+2?', agent_id: 'first' })).toMatchObject({
      agent_id: 'second',
      fallback: { position: 1, why: 'first: no such agent fits' },
    });
    await expect(fleet.run({ prompt: '2+2?', agent_id: 'third' })).rejects.toMatchObject({
      code: 'agent_unknown',
    });
  });
});

describe('why a task went where it went', () => {
  test('is told live of one that waits, and from its attempt alone once the record is gone', async () => {
    const fleet = await testFleet();
    await startSecond(fleet);
    const { task_id } = await fleet.run({ prompt: '2+2?' });
    await explained(fleet, task_id);

    const hung = await fleet.call('submit', { prompt: '#{"hang":true}' });
    await fleet.reaches(hung.task_id, 'running');
    const waiting = await fleet.call('submit', { prompt: '2+2?', agent_id: 'second' });
    const live = await fleet.call('explain', { task_id: waiting.task_id });
    expect(live).toMatchObject({
      considered: [{ agent_id: 'second', verdict: 'waiting', code: 'slots_taken' }],
      left_out: 0,
    });
    expect(live.attempt).toBeUndefined();

    const manager = await jetstreamManager(fleet.connection);
    await manager.streams.purge('CCLI_EVENTS');
    expect(await fleet.call('explain', { task_id, attempt: 1 })).toMatchObject({
      attempt: 1,
      expired: true,
      considered: [{ agent_id: 'second', node: 'ironwood', verdict: 'chosen', why: 'the only agent free' }],
    });
    await expect(fleet.call('explain', { task_id, attempt: 2 })).rejects.toMatchObject({
      code: 'invalid_request',
    });
    await expect(fleet.call('explain', { task_id: 'nobody' })).rejects.toMatchObject({
      code: 'task_unknown',
    });
    await fleet.call('cancel', { task_id: hung.task_id });
  });
});
