import { describe, expect, test } from 'vitest';
import { type Choice, chooseAgents } from '../../../coordinator/coordination/choose.ts';
import type { AgentView } from '../../../protocol/operation.ts';
import { ollamaView as agentView } from '../../support/agent-view.ts';

interface Wishes {
  readonly requirements?: string;
  readonly named?: readonly string[];
  readonly max_agents?: number;
  readonly taken?: readonly Choice[];
  readonly prompt_bytes?: number;
}

const choose = (agents: readonly AgentView[], wishes: Wishes = {}) =>
  chooseAgents(agents, {
    requirements: 'Do the work.',
    prompt_bytes: 1_000,
    named: undefined,
    max_agents: undefined,
    taken: [],
    ...wishes,
  });

const ids = (agents: readonly AgentView[], wishes: Wishes = {}): string[] =>
  choose(agents, wishes).choices.map(({ agent_id }) => agent_id);

const MIXED = [
  agentView('docs', { specialty: ['docs_writer'] }),
  agentView('kernel', { specialty: ['kernel_dev'] }),
  agentView('kernel2', { specialty: ['kernel_dev'] }),
  agentView('profile', { specialty: ['profiler'] }),
  agentView('test', { specialty: ['tester'] }),
  agentView('torch', { specialty: ['pytorch_dev'] }),
  agentView('gemini', { agent_type: 'cli_gemini', endpoint: 'cli://walnut' }),
  agentView('claude', { agent_type: 'cli_claude', specialty: ['reasoning'], endpoint: 'cli://walnut' }),
];

describe('choosing by itself', () => {
  test('takes the specialty that the requirements speak of, then other types and specialties', () => {
    const { choices } = choose(MIXED, { requirements: 'Write a CUDA kernel for softmax' });
    expect(choices.map(({ agent_id, specialty }) => [agent_id, specialty])).toEqual([
      ['kernel', 'kernel_dev'],
      ['claude', 'reasoning'],
      ['gemini', 'general_ai'],
    ]);
    expect(choices[0]?.why).toBe('the requirements speak of cuda, kernel; priority 0, free');
    expect(choices[1]?.why).toBe('it fits any requirements; the first of type cli_claude; priority 0, free');
  });

  test.each([
    ['A Triton matmul for bf16', 'kernel'],
    ['Fine-tune the transformer with LoRA', 'torch'],
    ['Find the bottleneck, latency is terrible', 'profile'],
    ['A README and a tutorial', 'docs'],
    ['pytest suite with full coverage', 'test'],
    ['Why does this design fail? Compare the trade-offs', 'claude'],
  ])('%s: first %s', (requirements, first) => {
    expect(ids(MIXED, { requirements })[0]).toBe(first);
  });

  test('takes more of a kind only when there is no other kind', () => {
    const twins = ['a', 'b', 'c'].map(id => agentView(id));
    expect(ids(twins)).toEqual(['a', 'b', 'c']);
    expect(ids([...twins, agentView('z', { agent_type: 'cli_qwen' })])).toEqual(['a', 'z', 'b']);
  });

  test('leaves specialists out that nothing asks for', () => {
    expect(ids(MIXED, { requirements: 'What is 2+2?', max_agents: 16 })).toEqual(['claude', 'gemini']);
  });

  test('takes any specialist rather than give only one answer', () => {
    const few = [agentView('docs', { specialty: ['docs_writer'] }), agentView('gemini')];
    const { choices } = choose([...few, agentView('kernel', { specialty: ['kernel_dev'] })], {
      requirements: 'What is 2+2?',
    });
    expect(choices.map(({ agent_id }) => agent_id)).toEqual(['gemini', 'docs']);
    expect(choices[1]?.why).toContain('nothing asks for docs_writer in particular');
  });

  test('has a generalist among several whatever the requirements speak of', () => {
    const requirements =
      'test coverage of the CUDA kernel, documentation, profiling and PyTorch training-loop';
    const general = agentView('low', { priority: -100, agent_type: 'ollama' });
    const agents = [...MIXED.filter(({ agent_type }) => agent_type === 'ollama'), general];
    for (const max_agents of [2, 3, 4, 5]) expect(ids(agents, { requirements, max_agents })).toContain('low');
  });

  test('takes the one that fits best when it may ask only one', () => {
    expect(ids(MIXED, { requirements: 'CUDA kernel', max_agents: 1 })).toEqual(['kernel']);
  });

  test('asks three when nothing is said, and never more than it may', () => {
    const many = Array.from({ length: 40 }, (_, index) => agentView(`a${index}`));
    expect(ids(many)).toHaveLength(3);
    expect(ids(many, { max_agents: 16 })).toHaveLength(16);
  });

  test('prefers a free agent to a busy one, and that to one that is starting', () => {
    const busy = agentView('a-busy', { running: 2 });
    const starting = agentView('b-starting', { health: 'starting' });
    expect(ids([starting, busy, agentView('c-free')])).toEqual(['c-free', 'a-busy', 'b-starting']);
  });

  test('prefers by priority, warmth, free share and name', () => {
    const agents = [
      agentView('e'),
      agentView('d', { running: 1 }),
      agentView('c', { warm: true }),
      agentView('b', { priority: 5 }),
    ];
    expect(ids(agents, { max_agents: 4 })).toEqual(['b', 'c', 'e', 'd']);
  });

  test('never takes an agent that cannot be asked', () => {
    const agents = [
      agentView('off', { enabled: false }),
      agentView('lost', { alive: false }),
      agentView('draining', { draining: true }),
      agentView('broken', { health: 'unavailable' }),
      agentView('cooling', { cooldown_ms: 5_000, cooldown_code: 'rate_limited' }),
      agentView('unregistered', { registration: 'discovered', allowed: false, available: false }),
      agentView('contested', { available: false }),
      agentView('slotless', { max_concurrent: 0 }),
      agentView('small', { max_prompt_bytes: 999 }),
      agentView('good'),
    ];
    expect(ids(agents, { max_agents: 16 })).toEqual(['good']);
  });

  test('an id that several nodes have is one agent, where it can be asked', () => {
    const agents = [
      agentView('twin', { node: 'ironwood', alive: false }),
      agentView('twin', { node: 'walnut' }),
      agentView('other'),
    ];
    const { choices } = choose(agents);
    expect(choices.map(({ agent_id, node }) => [agent_id, node])).toEqual([
      ['other', 'walnut'],
      ['twin', 'walnut'],
    ]);
  });

  test('an agent of several specialties is asked once, as the one that is spoken of', () => {
    const both = agentView('both', { specialty: ['general_ai', 'tester'] });
    expect(choose([both], { requirements: 'test it' }).choices).toMatchObject([
      { agent_id: 'both', specialty: 'tester' },
    ]);
    expect(choose([both]).choices).toMatchObject([{ specialty: 'general_ai' }]);
  });

  test('an agent without a specialty is a generalist', () => {
    expect(choose([agentView('plain', { specialty: [] })]).choices).toMatchObject([
      { specialty: 'general_ai' },
    ]);
  });

  test('is the same however the agents are ordered', () => {
    const requirements = 'Profile the CUDA kernel and document it';
    const first = choose(MIXED, { requirements, max_agents: 5 });
    expect(choose([...MIXED].reverse(), { requirements, max_agents: 5 })).toEqual(first);
  });

  test('fills up what was asked before, and does not ask the same again', () => {
    const taken = [{ agent_id: 'kernel', specialty: 'kernel_dev' as const, why: '' }];
    const found = choose(MIXED, { requirements: 'CUDA', max_agents: 3, taken }).choices;
    expect(found).toHaveLength(2);
    expect(found.map(({ agent_id }) => agent_id)).not.toContain('kernel');
  });

  test.each([
    '',
    '🐢'.repeat(50_000),
    '#!/seal="1"',
    '('.repeat(10_000),
    '漢字のみの要件',
    'test'.repeat(30_000),
  ])('takes any text for requirements', requirements => {
    expect(ids(MIXED, { requirements })).toHaveLength(requirements.startsWith('test') ? 2 : 2);
  });
});

describe('nobody to choose', () => {
  test('an empty fleet is told as such', () => {
    expect(() => choose([])).toThrow(expect.objectContaining({ code: 'no_agents' }));
  });

  test('a fleet that cannot be asked is told with the reason of each', () => {
    const agents = [
      agentView('a', { enabled: false }),
      agentView('b', { cooldown_ms: 2_500, cooldown_code: 'quota_exhausted' }),
    ];
    expect(() => choose(agents)).toThrow(
      expect.objectContaining({
        code: 'agent_disabled',
        message:
          'No agent can be asked: a is disabled; b is cooling down (quota_exhausted) for another 3 s. Look at the agents there are.',
      }),
    );
  });
});

describe('agents that were named', () => {
  test('are asked in their order, all of them, whatever they are for', () => {
    expect(ids(MIXED, { named: ['docs', 'kernel', 'test', 'gemini'] })).toEqual([
      'docs',
      'kernel',
      'test',
      'gemini',
    ]);
  });

  test('an unknown one is refused with those there are', () => {
    expect(() => choose(MIXED.slice(0, 2), { named: ['docs', 'nobody'] })).toThrow(
      expect.objectContaining({
        code: 'agent_unknown',
        message: 'No agent is called "nobody"; there are docs, kernel.',
      }),
    );
  });

  test('one that cannot be asked is left out with a note', () => {
    const agents = [agentView('a', { enabled: false }), agentView('b')];
    const found = choose(agents, { named: ['a', 'b'] });
    expect(found).toMatchObject({
      choices: [{ agent_id: 'b' }],
      notes: ['a was not asked: it is disabled.'],
      incomplete: true,
    });
  });

  test('none that can be asked is a refusal', () => {
    expect(() => choose([agentView('a', { alive: false })], { named: ['a'] })).toThrow(
      expect.objectContaining({
        code: 'node_lost',
        message: expect.stringContaining(
          'None of the agents named can be asked: a is on node walnut',
        ) as string,
      }),
    );
  });

  test('one named twice is asked once, with a note', () => {
    const found = choose(MIXED, { named: ['docs', 'docs', 'docs'] });
    expect(found.choices).toHaveLength(1);
    expect(found.notes).toEqual(['docs was named more than once; it is asked once.']);
  });

  test('more than may be asked are left out with a note each', () => {
    const found = choose(MIXED, { named: ['docs', 'kernel', 'test'], max_agents: 1 });
    expect(found.choices.map(({ agent_id }) => agent_id)).toEqual(['docs']);
    expect(found.notes).toEqual([
      'kernel was not asked: 1 is the most to ask.',
      'test was not asked: 1 is the most to ask.',
    ]);
  });

  test('sixteen can be asked at once', () => {
    const many = Array.from({ length: 16 }, (_, index) => agentView(`a${index}`));
    expect(ids(many, { named: many.map(({ agent_id }) => agent_id) })).toHaveLength(16);
  });
});
