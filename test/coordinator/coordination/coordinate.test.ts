import { describe, expect, test } from 'vitest';
import { encode } from '../../../protocol/codec.ts';
import { CoordinateReplySchema, PART_TEXT_CHARS } from '../../../protocol/coordination.ts';
import { CcliError } from '../../../protocol/errors.ts';
import { ollamaView as agentView } from '../../support/agent-view.ts';
import { ABC, fakeFleet, fleetOf, named, THINKER } from './fake-fleet.ts';

describe('all', () => {
  test('gives every answer, and each part is a task of the group, pinned and bounded', async () => {
    const fleet = fleetOf();
    const reply = await fleet.coordinate({ coordination_id: 'c1', agents: named, budget_ms: 60_000 });
    expect(reply).toMatchObject({
      coordination_id: 'c1',
      strategy: 'all',
      status: 'completed',
      notes: [],
      parts: named.map(agent_id => ({
        agent_id,
        role: 'answer',
        status: 'completed',
        response: `by ${agent_id}`,
        completeness: 'whole',
        execution_time_ms: 5,
        node: 'walnut',
        task_type: 'general',
      })),
    });
    expect(reply.answer).toBeUndefined();
    expect(fleet.submits).toHaveLength(3);
    for (const [index, submit] of fleet.submits.entries()) {
      expect(submit).toMatchObject({
        group: 'c1',
        agent_id: named[index],
        fallback: [named[index]],
        task_id: reply.parts[index]?.task_id,
        deadline_ms: 60_000,
        timeout_ms: 60_000,
      });
    }
  });

  test('makes an id when none is given, and leaves attempts their own timeout when no budget is', async () => {
    const fleet = fleetOf();
    const { coordination_id } = await fleet.coordinate({});
    expect(coordination_id).toMatch(/^c[0-9a-f]{16}$/);
    expect(fleet.submits[0]).toMatchObject({ deadline_ms: 600_000 });
    expect(fleet.submits[0]).not.toHaveProperty('timeout_ms');
  });

  test('is partial when an agent failed, which is told with what it had said', async () => {
    const fleet = fleetOf({ b: { fail: 'output_too_large', partial: 'half' } });
    const reply = await fleet.coordinate({ agents: named });
    expect(reply).toMatchObject({
      status: 'partial',
      parts: [
        { status: 'completed' },
        { status: 'failed', error: { code: 'output_too_large' }, response: 'half' },
        { status: 'completed' },
      ],
      notes: ['b (general_ai) gave no answer (output_too_large): It said output_too_large.'],
    });
    expect(reply.error).toBeUndefined();
  });

  test('fails when all have, and lists each', async () => {
    const fleet = fleetOf({
      a: { fail: 'cli_crashed' },
      b: { refuse: 'agent_disabled' },
      c: { fail: 'empty_reply' },
    });
    expect(await fleet.coordinate({ agents: named })).toMatchObject({
      status: 'failed',
      error: {
        code: 'all_parts_failed',
        message:
          'All 3 agents asked have given no answer (a: cli_crashed, b: agent_disabled, c: empty_reply).',
      },
      parts: [
        { error: { code: 'cli_crashed' } },
        { error: { code: 'agent_disabled' } },
        { error: { code: 'empty_reply' } },
      ],
    });
  });

  test('an agent that vanishes between plan and submit is one part that failed', async () => {
    const fleet = fleetOf();
    const plan = await fleet.coordinate({ agents: named, plan_only: true });
    expect(plan).toMatchObject({ status: 'planned', parts: [{ status: 'planned' }, {}, {}] });
    expect(fleet.submits).toEqual([]);
    const vanishing = fakeFleet({
      agents: ABC,
      wrap: real => ({
        submit: (request, context) =>
          request.agent_id === 'b'
            ? Promise.reject(new CcliError('agent_unknown'))
            : real.submit(request, context),
      }),
    });
    expect(await vanishing.coordinate({ agents: named })).toMatchObject({
      status: 'partial',
      parts: [
        { status: 'completed' },
        { status: 'failed', error: { code: 'agent_unknown' } },
        { status: 'completed' },
      ],
    });
  });

  test('is partial when an agent that was named could not be asked', async () => {
    const fleet = fleetOf({}, [agentView('a'), agentView('b', { enabled: false })]);
    expect(await fleet.coordinate({ agents: ['a', 'b'] })).toMatchObject({
      status: 'partial',
      parts: [{ agent_id: 'a' }],
      notes: ['b was not asked: it is disabled.'],
    });
  });

  test('sixteen agents with answers of eight megabytes fit a reply, and one slice of each is fetched', async () => {
    const agents = Array.from({ length: 16 }, (_, index) => agentView(`a${index}`));
    const say = '漢'.repeat(2_796_000);
    const fleet = fleetOf(Object.fromEntries(agents.map(({ agent_id }) => [agent_id, { say }])), agents);
    const reply = await fleet.coordinate({ max_agents: 16 });
    expect(reply.parts).toHaveLength(16);
    expect(
      reply.parts.every(part => part.response_cut === true && (part.response?.length ?? 0) > 10_000),
    ).toBe(true);
    expect(reply.parts.every(part => say.startsWith(part.response ?? 'x'))).toBe(true);
    expect(() => encode(CoordinateReplySchema, reply)).not.toThrow();
    expect(fleet.downloads).toHaveLength(16);
  });

  test('an answer that ends inside a character at the end of its slice is cut before it', async () => {
    const say = `x${'🐢'.repeat(100_000)}`;
    const { parts } = await fleetOf({ a: { say } }).coordinate({ agents: ['a'] });
    expect(parts[0]?.response_cut).toBe(true);
    expect(say.startsWith(parts[0]?.response ?? '-')).toBe(true);
    expect(parts[0]?.response?.length).toBe(PART_TEXT_CHARS - 1);
  });
});

describe('first', () => {
  test('gives the first success and cancels the others', async () => {
    const fleet = fleetOf({ a: { hang: true }, c: { hang: true } });
    const reply = await fleet.coordinate({ agents: named, strategy: 'first' });
    expect(reply).toMatchObject({
      status: 'completed',
      answer: 'by b',
      answered_by: 'b',
      answer_task_id: reply.parts[1]?.task_id,
      parts: [{ status: 'cancelled' }, { status: 'completed' }, { status: 'cancelled' }],
      notes: [],
    });
    expect([...fleet.tasks.values()].map(({ status }) => status)).toEqual([
      'cancelled',
      'completed',
      'cancelled',
    ]);
  });

  test('passes over failures, and tells them', async () => {
    const fleet = fleetOf({ a: { fail: 'cli_crashed' }, c: { hang: true } });
    expect(await fleet.coordinate({ agents: named, strategy: 'first' })).toMatchObject({
      status: 'partial',
      answered_by: 'b',
      notes: ['a (general_ai) gave no answer (cli_crashed): It said cli_crashed.'],
    });
  });

  test('gives the same answer when it is asked again, and asks nobody', async () => {
    const fleet = fleetOf({ a: { hang: true }, c: { hang: true } });
    const request = { coordination_id: 'c1', agents: named, strategy: 'first' as const };
    const before = await fleet.coordinate(request);
    const count = fleet.tasks.size;
    expect(await fleet.coordinate(request)).toMatchObject({
      status: 'completed',
      answer: before.answer,
      answered_by: 'b',
    });
    expect(fleet.tasks.size).toBe(count);
  });
});

describe('a plan', () => {
  test('names the judge that would be asked, and asks nobody', async () => {
    const fleet = fleetOf({}, [...ABC, THINKER]);
    const plan = await fleet.coordinate({ agents: named, strategy: 'best', plan_only: true });
    expect(plan.parts.map(({ role, agent_id }) => [role, agent_id])).toEqual([
      ['answer', 'a'],
      ['answer', 'b'],
      ['answer', 'c'],
      ['judge', 'thinker'],
    ]);
    expect(plan.parts[3]?.why).toBe('the best reasoning agent; chosen when the answers are in');
    expect(fleet.submits).toEqual([]);
  });
});
