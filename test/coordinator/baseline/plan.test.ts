import { describe, expect, test } from 'vitest';
import { planAgent } from '../../../coordinator/baseline/plan.ts';
import { findTargets } from '../../../coordinator/baseline/targets.ts';
import { agentView, ollamaView } from '../../support/agent-view.ts';

const series = (plan: ReturnType<typeof planAgent>): string[] =>
  plan.series.map(({ kind, at_a_time, runs }) => `${kind} ${at_a_time} x${runs}`);

describe('what is measured of an agent', () => {
  test('one that is kept warm: warm, up to its slots at a time, and cold; one prompt warms it up', () => {
    const plan = planAgent(agentView('walnut-gemini', { max_concurrent: 6 }), { runs: 5 });
    expect(series(plan)).toEqual([
      'warm 1 x5',
      'concurrent 2 x5',
      'concurrent 4 x8',
      'concurrent 6 x12',
      'cold 1 x5',
    ]);
    expect(plan.calls).toBe(1 + 5 + 5 + 8 + 12 + 5);
  });

  test('one with a process for each task: never warm, and nothing to warm up', () => {
    const plan = planAgent(agentView('walnut-echo', { driver: 'headless', max_concurrent: 1 }), { runs: 3 });
    expect(series(plan)).toEqual(['cold 1 x3']);
    expect(plan.calls).toBe(3);
    expect(plan.notes.join()).toContain('never warm');
  });

  test('one of Ollama: never cold, since its server decides what stays in memory', () => {
    const plan = planAgent(ollamaView('walnut-llama', { max_concurrent: 1 }), { runs: 3 });
    expect(series(plan)).toEqual(['warm 1 x3']);
    expect(plan.notes.join()).toContain('cold does not apply');
  });

  test('the levels asked for, also beyond its slots', () => {
    const plan = planAgent(agentView('walnut-gemini'), { runs: 2, levels: [1, 8] });
    expect(series(plan)).toEqual(['warm 1 x2', 'concurrent 8 x16', 'cold 1 x2']);
  });

  test.each([
    [{}, 'no SSH is set up'],
    [{ ssh_fallback: 'off' }, 'its policy keeps tasks from SSH'],
    [{ ssh_fallback: 'on' }, 'tasks go by SSH only while'],
  ] as const)('one on NATS says why it is not measured over SSH', (over, why) => {
    expect(planAgent(agentView('walnut-gemini', over), { runs: 1 }).notes.join()).toContain(why);
  });

  test('one that is reached over SSH has nothing to say about it', () => {
    const over = { transport: 'ssh', ssh_fallback: 'on' } as const;
    expect(planAgent(agentView('walnut-gemini', over), { runs: 1 }).notes).toEqual([]);
  });
});

describe('what a name means', () => {
  const agents = [
    agentView('walnut-gemini'),
    agentView('walnut-busy', { running: 2 }),
    agentView('walnut-gone', { health: 'unavailable' }),
    agentView('ironwood-gemini', { node: 'ironwood' }),
  ];

  test('an agent is measured alone', () => {
    const found = findTargets('walnut-gemini', agents);
    expect(found.agents.map(({ agent_id }) => agent_id)).toEqual(['walnut-gemini']);
    expect(found.host).toBeUndefined();
  });

  test('a node is measured with all its agents that take work, and as a host', () => {
    const found = findTargets('walnut', agents);
    expect(found.agents.map(({ agent_id }) => agent_id)).toEqual(['walnut-gemini', 'walnut-busy']);
    expect(found.host).toBe('walnut');
    expect(found.notes).toEqual(['walnut-gone: left out, it takes no work now']);
  });

  test('anything else is a host', () => {
    expect(findTargets('me@elsewhere', agents)).toEqual({ agents: [], host: 'me@elsewhere', notes: [] });
  });
});
