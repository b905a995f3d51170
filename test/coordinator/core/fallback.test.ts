import { describe, expect, test } from 'vitest';
import { couldGoElsewhere, describePassed } from '../../../coordinator/core/fallback.ts';
import type { Attempt } from '../../../protocol/task.ts';
import { agent, demand } from './snapshot.ts';

const failedOn = (agent_id: string, code: 'auth_refused' | 'cli_crashed' = 'auth_refused'): Attempt => ({
  node: agent_id.split('-')[0] ?? '',
  agent_id,
  instance_id: 'i1',
  epoch: 1,
  attempt: 1,
  started: true,
  error: { code, message: 'It failed.', retryable: code === 'cli_crashed' },
});

describe('a task that failed on an agent', () => {
  const first = 'walnut-gemini 0/1';

  test.each([
    [true, 'one that is free', ['oak-llama 0/1 type=ollama'], 'type=cli_gemini fallback=ollama'],
    [true, 'one that is busy', ['oak-llama 1/1 type=ollama'], 'type=cli_gemini fallback=ollama'],
    [true, 'one that cools down', ['oak-llama 0/1 type=ollama cooling'], 'type=cli_gemini fallback=ollama'],
    [true, 'another one of its type', ['oak-gemini 0/1'], 'type=cli_gemini fallback=ollama'],
    [
      false,
      'one that is in no advert',
      ['oak-llama 0/0 type=ollama absent'],
      'type=cli_gemini fallback=ollama',
    ],
    [false, 'one that is away', ['oak-llama 0/1 type=ollama silent'], 'type=cli_gemini fallback=ollama'],
    [
      false,
      'one that is not set up',
      ['oak-llama 0/1 type=ollama broken'],
      'type=cli_gemini fallback=ollama',
    ],
    [false, 'one that may not work', ['oak-llama 0/1 type=ollama denied'], 'type=cli_gemini fallback=ollama'],
    [
      false,
      'one without the model',
      ['oak-llama 0/1 type=ollama models=a'],
      'type=cli_gemini fallback=ollama model=b',
    ],
    [
      false,
      'one that is not in its chain',
      ['oak-qwen 0/1 type=cli_qwen'],
      'type=cli_gemini fallback=ollama',
    ],
    [false, 'any other, for it has no chain', ['oak-gemini 0/1'], 'type=cli_gemini'],
    [false, 'nobody else', [], 'type=cli_gemini fallback=ollama'],
  ] as const)('could go elsewhere: %s, with %s', (expected, _what, others, wanted) => {
    const candidates = [first, ...others].map(agent);
    expect(couldGoElsewhere(demand(wanted), [failedOn('walnut-gemini')], candidates)).toBe(expected);
  });

  test('does not go back to one that has shown before that it will not do', () => {
    const candidates = [agent(first), agent('oak-llama 0/1 type=ollama')];
    const wanted = demand('type=cli_gemini fallback=ollama');
    const last = { ...failedOn('walnut-gemini'), attempt: 2 };
    const earlier = (code: 'auth_refused' | 'cli_crashed'): Attempt => ({
      ...failedOn('oak-llama', code),
      fallback: { position: 1, why: 'walnut-gemini was away' },
    });
    expect(couldGoElsewhere(wanted, [earlier('auth_refused'), last], candidates)).toBe(false);
    expect(couldGoElsewhere(wanted, [earlier('cli_crashed'), last], candidates)).toBe(true);
  });
});

test('what was passed over is told in as many words as a record holds', () => {
  const reasons = Array.from({ length: 5 }, (_, index) => `agent-${index} (draining)`);
  expect(describePassed([['cli_qwen', reasons]])).toBe(
    'cli_qwen: agent-0 (draining), agent-1 (draining), agent-2 (draining), and 2 more',
  );
  const long = Array.from({ length: 9 }, (_, index) => [`m${index}`, ['x'.repeat(300)]] as const);
  expect(describePassed(long)).toHaveLength(1_000);
});
