import { describe, expect, test } from 'vitest';
import { assess, noFit } from '../../../coordinator/core/assess.ts';
import { fitOf } from '../../../coordinator/core/placement.ts';
import { compareStandings, type Standing } from '../../../coordinator/core/score.ts';
import { ERRORS } from '../../../protocol/errors.ts';
import { seeded, seeds } from '../../support/random.ts';
import { agent, demand } from './snapshot.ts';

describe('whether an agent fits', () => {
  test.each([
    ['walnut-gemini 0/2', '', 'free', undefined, undefined],
    ['walnut-gemini 1/2', '', 'free', undefined, undefined],
    [
      'walnut-gemini 0/2',
      'agent=walnut-gemini type=cli_gemini specialty=general_ai',
      'free',
      undefined,
      undefined,
    ],
    ['walnut-gemini 0/2', 'model=anything', 'free', undefined, undefined],
    ['walnut-gemini 0/2 models=pro,flash', 'model=flash', 'free', undefined, undefined],
    ['walnut-gemini 0/2 label=gpu:a100', 'label=gpu:a100', 'free', undefined, undefined],
    ['walnut-gemini 0/2 max_prompt=10', 'bytes=10', 'free', undefined, undefined],
    ['walnut-gemini 0/2', 'agent=other', 'misfit', 'agent_unknown', 'It is not other.'],
    ['walnut-gemini 0/2', 'type=ollama', 'misfit', 'agent_type_unknown', 'It is of type cli_gemini.'],
    [
      'walnut-gemini 0/2',
      'specialty=tester',
      'misfit',
      'no_agent_fits',
      'Its specialty is general_ai, not tester.',
    ],
    [
      'walnut-gemini 0/2 models=pro,flash',
      'model=ultra',
      'misfit',
      'model_not_found',
      'It serves pro, flash, not ultra.',
    ],
    [
      'walnut-gemini 0/2 label=gpu:a100',
      'label=gpu:h100',
      'misfit',
      'no_agent_fits',
      'It has no label gpu=h100.',
    ],
    ['walnut-gemini 0/2', 'label=constructor:x', 'misfit', 'no_agent_fits', 'It has no label constructor=x.'],
    [
      'walnut-gemini 0/2 max_prompt=10',
      'bytes=11',
      'misfit',
      'prompt_too_large',
      'It takes prompts of up to 10 bytes; this one has 11.',
    ],
    ['walnut-llama 0/2 type=ollama models=llama3:latest', 'model=llama3', 'free', undefined, undefined],
    ['walnut-llama 0/2 gpu=0/24', 'min_gpu=24', 'free', undefined, undefined],
    [
      'walnut-llama 0/2 gpu=24/24',
      'min_gpu=48',
      'misfit',
      'no_agent_fits',
      'It has 24 GiB of GPU memory, not 48 GiB.',
    ],
    ['walnut-llama 0/2', 'min_gpu=1', 'misfit', 'no_agent_fits', 'Its GPU memory is not known.'],
    ['walnut-llama 0/2 type=ollama', 'type=cli_gemini fallback=ollama', 'free', undefined, undefined],
    ['walnut-llama 0/2 type=ollama', 'fallback=cli_qwen,walnut-llama', 'free', undefined, undefined],
    [
      'walnut-llama 0/2 type=ollama',
      'agent=walnut-gemini fallback=cli_qwen',
      'misfit',
      'no_agent_fits',
      'It is not in the fallback chain walnut-gemini -> cli_qwen.',
    ],
    [
      'walnut-gemini 0/2 denied',
      '',
      'broken',
      'agent_not_registered',
      'walnut-gemini is not registered, and this fleet gives work to registered agents only; register it first.',
    ],
    ['walnut-gemini 0/2 discovered', '', 'free', undefined, undefined],
    [
      'walnut-gemini 0/2 broken=version_mismatch',
      '',
      'broken',
      'version_mismatch',
      ERRORS.version_mismatch.says,
    ],
    ['walnut-gemini 0/2 silent', '', 'away', 'node_lost', 'Node walnut is silent.'],
    [
      'walnut-gemini 0/2 contested',
      '',
      'away',
      'wrong_instance',
      'Two daemons call themselves walnut; stop one.',
    ],
    ['walnut-gemini 0/2 draining', '', 'away', 'draining', 'Node walnut is draining.'],
    ['walnut-gemini 0/2 disabled', '', 'away', 'agent_disabled', 'walnut-gemini is disabled.'],
    ['walnut-gemini 0/2 broken', '', 'broken', 'cli_missing', 'walnut-gemini has no CLI.'],
    ['walnut-gemini 0/2 starting', '', 'busy', 'agent_starting', 'walnut-gemini is starting.'],
    [
      'walnut-gemini 0/2 cooling',
      '',
      'cooling',
      'rate_limited',
      'walnut-gemini is cooling down (rate_limited) for another 1 s.',
    ],
    ['walnut-gemini 2/2', '', 'busy', 'slots_taken', 'All 2 slots of walnut-gemini are taken.'],
    ['walnut-gemini 3/2', '', 'busy', 'slots_taken', 'All 2 slots of walnut-gemini are taken.'],
    ['walnut-gemini 0/0 broken', '', 'broken', 'cli_missing', 'walnut-gemini has no CLI.'],
    [
      'walnut-gemini 0/0',
      '',
      'away',
      'agent_disabled',
      'walnut-gemini has no slots: its max_concurrent is 0.',
    ],
    // What can never be mended by waiting is said first.
    [
      'walnut-gemini 2/2 silent broken',
      'type=ollama',
      'misfit',
      'agent_type_unknown',
      'It is of type cli_gemini.',
    ],
    ['walnut-gemini 2/2 silent broken', '', 'away', 'node_lost', 'Node walnut is silent.'],
  ] as const)('agent %s, asked for "%s", is %s', (candidate, wanted, fit, code, message) => {
    const found = fitOf(agent(candidate), demand(wanted));
    expect(found.fit).toBe(fit);
    if (found.fit === 'free') return;
    expect(found.why).toMatchObject({ code, message });
    expect(found.why.retryable).toBe(ERRORS[found.why.code].retryable);
  });

  test('a contradiction of labels is found among several', () => {
    const fit = fitOf(agent('a-1 0/1 label=gpu:a100'), {
      options: { labels: { gpu: 'a100', site: 'north' } },
      prompt_bytes: 1,
    });
    expect(fit).toMatchObject({ fit: 'misfit', why: { message: 'It has no label site=north.' } });
  });
});

describe('the choice among free agents', () => {
  test.each(seeds(50))('is the same in whatever order they come (seed %i)', seed => {
    const random = seeded(seed);
    const agents = Array.from({ length: 8 }, (_, index) => {
      const max = random.between(1, 4);
      const warm = random.chance(0.5) ? ' warm' : '';
      const words = `node=n${index} priority=${random.between(-1, 1)}${warm}`;
      return agent(`agent-${random.between(0, 2)} ${random.between(0, max - 1)}/${max} ${words}`);
    });
    const standings = agents.map(
      (candidate): Standing => ({
        ...candidate,
        demand: demand(''),
        in_session: false,
        position: 0,
        regard: 'fresh',
      }),
    );
    const sorted = [...standings].sort(compareStandings);
    expect(random.shuffle(standings).sort(compareStandings)).toEqual(sorted);
  });
});

describe('why no agent fits', () => {
  const fleet = [
    'walnut-gemini 0/2 models=pro,flash max_prompt=100',
    'ironwood-claude 0/1 type=cli_claude max_prompt=50',
  ];

  test.each([
    [[], '', 'no_agents', 'No agent has joined this fleet; start one with `ccli node-agent`.'],
    [
      fleet,
      'agent=nobody',
      'agent_unknown',
      'No agent is called "nobody"; there are ironwood-claude, walnut-gemini.',
    ],
    [['one 0/1'], 'agent=nobody', 'agent_unknown', 'No agent is called "nobody"; there is one.'],
    [
      fleet,
      'type=ollama',
      'agent_type_unknown',
      'No agent is of type ollama; there are cli_claude, cli_gemini.',
    ],
    [fleet, 'specialty=tester', 'no_agent_fits', ERRORS.no_agent_fits.says],
    [
      fleet,
      'type=cli_gemini model=ultra',
      'model_not_found',
      'No agent that fits serves ultra. It serves pro, flash, not ultra.',
    ],
    [
      fleet,
      'type=cli_gemini bytes=101',
      'prompt_too_large',
      'The prompt is too large for every agent that fits. It takes prompts of up to 100 bytes; this one has 101.',
    ],
    [
      fleet,
      'min_gpu=24',
      'no_agent_fits',
      'No agent that fits has 24 GiB of GPU memory. Its GPU memory is not known.',
    ],
    [
      fleet,
      'type=cli_qwen fallback=ollama',
      'agent_type_unknown',
      'No agent is of a type in the chain cli_qwen -> ollama; there are cli_claude, cli_gemini.',
    ],
    [
      fleet,
      'type=cli_qwen fallback=elsewhere',
      'agent_unknown',
      'No agent is in the chain cli_qwen -> elsewhere; there are cli_claude, cli_gemini, ironwood-claude, walnut-gemini.',
    ],
    [
      fleet,
      'type=cli_qwen fallback=cli_gemini model=ultra',
      'model_not_found',
      'No agent that fits serves ultra. It serves pro, flash, not ultra.',
    ],
    [fleet, 'type=cli_claude agent=walnut-gemini', 'no_agent_fits', ERRORS.no_agent_fits.says],
  ] as const)('of %j for "%s" is %s', (agents, wanted, code, message) => {
    expect(noFit(demand(wanted), agents.map(agent))).toEqual({
      code,
      message,
      retryable: ERRORS[code].retryable,
    });
  });

  test('names no more than eight agents', () => {
    const many = Array.from({ length: 20 }, (_, index) => agent(`agent-${index} 0/1`));
    const { message } = noFit(demand('agent=nobody'), many);
    expect(message.match(/agent-\d+/g)).toHaveLength(8);
    expect(message).toContain('…');
  });
});

describe('a submit', () => {
  test.each([
    ['accept', ['a-1 0/1'], ''],
    ['accept', ['a-1 1/1'], ''],
    ['accept', ['a-1 0/1 cooling'], ''],
    ['accept', ['a-1 0/1 silent'], ''],
    ['accept', ['a-1 0/1 draining', 'b-1 0/1 broken'], ''],
    ['accept', ['a-1 0/1 starting', 'b-1 0/1'], ''],
    // Whatever becomes of the one that starts, the other one will have room again.
    ['accept', ['a-1 0/1 starting', 'b-1 1/1'], ''],
    ['accept', ['a-1 0/1 starting', 'b-1 0/1 silent'], ''],
    // A member of the chain that is not there may come.
    ['accept', ['a-1 0/1 type=ollama'], 'type=cli_gemini fallback=ollama'],
    ['refuse', ['a-1 0/1 type=cli_qwen'], 'type=cli_gemini fallback=ollama'],
    ['accept', ['a-1 0/1 denied', 'b-1 1/1'], ''],
    ['refuse', ['a-1 0/1 denied', 'b-1 0/1 denied'], ''],
    ['undecided', ['a-1 0/1 starting'], ''],
    ['undecided', ['a-1 0/1 starting', 'b-1 0/1 broken'], ''],
    ['refuse', [], ''],
    ['refuse', ['a-1 0/1 broken'], ''],
    ['refuse', ['a-1 0/1 broken', 'b-1 0/1 broken'], ''],
    ['refuse', ['a-1 0/1'], 'type=ollama'],
    ['refuse', ['a-1 0/1 starting'], 'type=ollama'],
  ] as const)('is answered with %s by agents %j asked for "%s"', (verdict, agents, wanted) => {
    expect(assess(demand(wanted), agents.map(agent)).verdict).toBe(verdict);
  });

  test('that only agents could take which nobody has registered is refused for that', () => {
    const agents = [agent('a-1 0/1 denied'), agent('b-1 0/1 type=ollama')];
    expect(assess(demand('type=cli_gemini'), agents)).toMatchObject({
      verdict: 'refuse',
      error: { code: 'agent_not_registered' },
    });
  });

  test('is refused with what is wrong with an agent that may work, rather than with one that may not', () => {
    const agents = [agent('a-1 0/1 denied'), agent('b-1 0/1 broken')];
    expect(assess(demand(''), agents)).toMatchObject({ error: { code: 'cli_missing' } });
  });

  test('that only a broken agent could take is refused with what is wrong with it', () => {
    expect(assess(demand(''), [agent('a-1 0/1 broken')])).toEqual({
      verdict: 'refuse',
      error: { code: 'cli_missing', message: 'a-1 has no CLI.', retryable: false },
    });
  });
});
