import { describe, expect, test } from 'vitest';
import { CcliError } from '../../../protocol/errors.ts';
import { ollamaView as agentView } from '../../support/agent-view.ts';
import { ABC, fakeFleet, fleetOf, named, THINKER } from './fake-fleet.ts';

describe('asked again under the same id', () => {
  test('takes up what is there, whatever has become of the fleet', async () => {
    const fleet = fleetOf();
    const request = { coordination_id: 'c1', prompt: 'test it', max_agents: 3 };
    const before = await fleet.coordinate(request);
    fleet.agents = [agentView('z', { priority: 90 })];
    const again = await fleet.coordinate(request);
    expect(again.parts.map(({ task_id, response, status }) => ({ task_id, response, status }))).toEqual(
      before.parts.map(({ task_id, response, status }) => ({ task_id, response, status })),
    );
    expect(again.parts[0]?.node).toBeUndefined();
    expect(fleet.tasks.size).toBe(3);
  });

  test('asks only what is missing after a coordinator that died half-way', async () => {
    let submitted = 0;
    const fleet = fakeFleet({
      agents: ABC,
      wrap: real => ({
        submit: (request, context) => {
          submitted += 1;
          return submitted === 2
            ? Promise.reject(new CcliError('agent_starting'))
            : real.submit(request, context);
        },
      }),
    });
    const request = { coordination_id: 'c1', max_agents: 3 };
    expect(await fleet.coordinate(request)).toMatchObject({ status: 'partial' });
    const again = await fleet.coordinate(request);
    expect(again).toMatchObject({
      status: 'completed',
      parts: [{ agent_id: 'a' }, { agent_id: 'b' }, { agent_id: 'c' }],
    });
    expect(fleet.tasks.size).toBe(3);
  });

  test('takes up the judge too, with the verdict that it gave', async () => {
    const fleet = fleetOf({ judge: { say: 'BEST: 2\nREASON: so' } }, [...ABC, THINKER]);
    const request = { coordination_id: 'c1', agents: named, strategy: 'best' as const };
    const before = await fleet.coordinate(request);
    fleet.agents = [];
    fleet.does = { judge: { say: 'BEST: 1' } };
    const again = await fleet.coordinate(request);
    expect(again).toMatchObject({ status: 'completed', answer: 'by b', reason: 'so' });
    expect(again.parts.map(({ task_id }) => task_id)).toEqual(before.parts.map(({ task_id }) => task_id));
    expect(fleet.tasks.size).toBe(4);
  });

  test('two at the same time share their tasks', async () => {
    const fleet = fleetOf({ judge: { say: 'BEST: 2' } }, [...ABC, THINKER]);
    const request = { coordination_id: 'c1', agents: named, strategy: 'best' as const };
    const replies = await Promise.all([fleet.coordinate(request), fleet.coordinate(request)]);
    expect(replies.map(({ answer, status }) => [answer, status])).toEqual([
      ['by b', 'completed'],
      ['by b', 'completed'],
    ]);
    expect(fleet.tasks.size).toBe(4);
  });

  test.each([{ prompt: 'other' }, { budget_ms: 5_000 }, { strategy: 'best' as const }])(
    'with another request, is refused: %j',
    async other => {
      const fleet = fleetOf();
      await fleet.coordinate({ coordination_id: 'c1', budget_ms: 9_000 });
      await expect(
        fleet.coordinate({ coordination_id: 'c1', budget_ms: 9_000, ...other }),
      ).rejects.toMatchObject({
        code: 'idempotency_conflict',
        message: expect.stringContaining('use a new one') as string,
      });
    },
  );

  test.each([
    [{ prompt: 'Other work.' }, 'the prompt differs.'],
    [{ strategy: 'first' as const }, 'the strategy differs.'],
    [{ strategy: 'best' as const }, 'the strategy differs.'],
    [{ agents: ['a'] }, 'the agents differ.'],
    [{ agents: ['a', 'b', 'c'] }, 'the agents differ.'],
    [{ max_agents: 3 }, 'the max_agents differs.'],
    [{ prompt: 'Other work.', agents: ['c'] }, 'the prompt and the agents differ.'],
  ])('with another request or for its plan, is told what differs: %j', async (other, says) => {
    const fleet = fleetOf();
    const request = { coordination_id: 'c1', agents: ['a', 'b'] };
    await fleet.coordinate(request);
    for (const plan_only of [false, true]) {
      await expect(fleet.coordinate({ ...request, ...other, plan_only })).rejects.toMatchObject({
        code: 'idempotency_conflict',
        message: expect.stringContaining(says) as string,
      });
    }
    const again = await fleet.coordinate({ ...request, agents: ['b', 'a', 'b'], strategy: 'all' });
    expect(again.parts.map(({ agent_id }) => agent_id)).toEqual(['a', 'b']);
    expect(fleet.tasks.size).toBe(2);
  });

  test('by two different requests at the same time, is one of them, and the other is told what differs', async () => {
    const fleet = fleetOf();
    const outcomes = await Promise.allSettled(
      (['all', 'first'] as const).map(strategy =>
        fleet.coordinate({ coordination_id: 'c1', agents: ['a', 'b'], strategy }),
      ),
    );
    expect(outcomes).toMatchObject([
      { status: 'fulfilled' },
      { reason: { code: 'idempotency_conflict', message: expect.stringContaining('strategy') as string } },
    ]);
  });

  test('by another caller, is refused', async () => {
    const fleet = fleetOf();
    await fleet.coordinate({ coordination_id: 'c1' });
    await expect(fleet.coordinate({ coordination_id: 'c1' }, { caller: 'mallory' })).rejects.toMatchObject({
      code: 'idempotency_conflict',
    });
  });
});
