import { describe, expect, test } from 'vitest';
import { CcliError } from '../../../protocol/errors.ts';
import { waitFor } from '../../support/wait.ts';
import { ABC, fakeFleet, fleetOf, named } from './fake-fleet.ts';

describe('the budget', () => {
  test('answers that are in count, and the rest is cancelled and told', async () => {
    const fleet = fleetOf({ b: { hang: true } });
    expect(await fleet.coordinate({ agents: named, budget_ms: 200 })).toMatchObject({
      status: 'partial',
      parts: [
        { status: 'completed' },
        { status: 'cancelled', error: { code: 'deadline_passed' } },
        { status: 'completed' },
      ],
      notes: [expect.stringContaining('b (general_ai) gave no answer (deadline_passed)')],
    });
  });

  test('a share is left for the judge', async () => {
    const fleet = fleetOf({ b: { hang: true }, judge: { say: 'BEST: 1' } });
    const reply = await fleet.coordinate({ agents: named, strategy: 'best', budget_ms: 2_000 });
    expect(reply).toMatchObject({
      status: 'partial',
      answered_by: 'a',
      parts: [{}, {}, {}, { status: 'completed' }],
    });
    expect(fleet.submits.map(({ deadline_ms }) => deadline_ms).slice(0, 3)).toEqual([1_500, 1_500, 1_500]);
    expect(fleet.submits[3]?.deadline_ms).toBeLessThanOrEqual(500);
  });

  test('a judge that takes too long is cancelled, and its absence told', async () => {
    const fleet = fleetOf({ judge: { hang: true } });
    expect(await fleet.coordinate({ agents: named, strategy: 'synthesize', budget_ms: 300 })).toMatchObject({
      status: 'partial',
      parts: [{}, {}, {}, { role: 'judge', status: 'cancelled', error: { code: 'deadline_passed' } }],
    });
  });

  test('of one millisecond ends at once, with every part accounted for', async () => {
    const fleet = fleetOf({ a: { hang: true }, b: { hang: true }, c: { hang: true } });
    for (const strategy of ['all', 'first', 'best', 'synthesize'] as const) {
      const reply = await fleet.coordinate({ agents: named, strategy, budget_ms: 1 });
      expect(reply).toMatchObject({ status: 'failed', error: { code: 'all_parts_failed' } });
      expect(reply.parts).toHaveLength(3);
    }
    expect([...fleet.tasks.values()].every(({ status }) => status === 'cancelled')).toBe(true);
  });

  test('a node that does not confirm a stop is told', async () => {
    const fleet = fakeFleet({
      agents: ABC,
      does: { b: { hang: true } },
      wrap: real => ({ cancel: ({ task_id }, context) => real.get({ task_id }, context) }),
    });
    const reply = await fleet.coordinate({ agents: named, strategy: 'first' });
    expect(reply).toMatchObject({ status: 'completed', parts: [{}, { status: 'running' }, {}] });
    expect(reply.notes).toEqual(['b (general_ai) was told to stop; its node has not confirmed that it did.']);
  });
});

describe('what stops it', () => {
  test('a caller that goes away leaves the tasks alone', async () => {
    const fleet = fleetOf({ b: { hang: true } });
    const gone = new AbortController();
    const asked = fleet.coordinate({ coordination_id: 'c1', agents: named }, { signal: gone.signal });
    const caught = asked.catch((error: unknown) => error);
    await waitFor(
      () => [...fleet.tasks.values()].filter(({ status }) => status === 'completed').length === 2,
    );
    gone.abort();
    expect(await caught).toMatchObject({
      code: 'no_coordinator',
      message: expect.stringContaining('coordination_id c1') as string,
    });
    expect([...fleet.tasks.values()].map(({ status }) => status).sort()).toEqual([
      'completed',
      'completed',
      'running',
    ]);
  });

  test('parts that somebody cancelled are told as such', async () => {
    const fleet = fakeFleet({
      agents: ABC,
      does: { a: { hang: true }, b: { hang: true }, c: { hang: true } },
      wrap: real => ({
        get: async (request, context) => await real.cancel(request, context),
      }),
    });
    expect(await fleet.coordinate({ agents: named })).toMatchObject({
      status: 'failed',
      error: { code: 'cancelled' },
      parts: [{ status: 'cancelled', error: { code: 'cancelled' } }, {}, {}],
    });
  });

  test.each([
    ['', 'prompt_empty'],
    [' \n\t', 'prompt_empty'],
    ['a\0b', 'prompt_has_nul'],
  ])('requirements %j are refused, also for a plan', async (prompt, code) => {
    for (const plan_only of [true, false])
      await expect(fleetOf().coordinate({ prompt, plan_only })).rejects.toMatchObject({ code });
  });

  test('a store that takes nothing fails the request, which may be repeated', async () => {
    const fleet = fleetOf({
      a: { refuse: 'store_full' },
      b: { refuse: 'store_full' },
      c: { refuse: 'store_full' },
    });
    await expect(fleet.coordinate({ agents: named })).rejects.toMatchObject({ code: 'store_full' });
  });

  test('a store that is away for a moment is asked again', async () => {
    let failures = 2;
    const fleet = fakeFleet({
      agents: ABC,
      wrap: real => ({
        get: (request, context) => {
          failures -= 1;
          return failures >= 0
            ? Promise.reject(new CcliError('store_unavailable'))
            : real.get(request, context);
        },
      }),
      does: { a: { say: 'late', when: new Promise(resolve => setTimeout(resolve, 50)) } },
    });
    expect(await fleet.coordinate({ agents: ['a'] })).toMatchObject({ status: 'completed' });
  });

  test('an answer that cannot be read is told, and the others are given', async () => {
    const fleet = fakeFleet({
      agents: ABC,
      does: { b: { say: 'x'.repeat(5_000) } },
      wrap: () => ({ download: () => Promise.reject(new CcliError('slices_incomplete')) }),
    });
    const reply = await fleet.coordinate({ agents: named });
    expect(reply).toMatchObject({ status: 'partial', parts: [{}, { status: 'completed' }, {}] });
    expect(reply.notes).toEqual([expect.stringContaining(`ask for task ${reply.parts[1]?.task_id ?? ''}`)]);
  });
});
