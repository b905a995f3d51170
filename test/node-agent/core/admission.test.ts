import { describe, expect, test } from 'vitest';
import {
  type Admission,
  admit,
  type KnownPhase,
  type NodeFacts,
} from '../../../node-agent/core/admission.ts';
import type { AgentStatus } from '../../../protocol/agent.ts';
import type { RunRequest } from '../../../protocol/control.ts';

const facts: NodeFacts = {
  instance_id: 'i1',
  fence: { fleet_id: 'f1', epoch: 3, former: ['f0'] },
  draining: false,
  has_room: true,
};
const agent: AgentStatus = {
  agent_id: 'walnut-gemini',
  agent_type: 'cli_gemini',
  driver: 'acp',
  specialty: ['general_ai'],
  labels: {},
  priority: 0,
  max_concurrent: 2,
  running: 1,
  enabled: true,
  health: 'ready',
  signed_in: 'yes',
  warm: true,
  tool_policy: 'deny',
  timeout_ms: 300_000,
  max_prompt_bytes: 8,
};
const request: RunRequest = {
  v: 1,
  instance_id: 'i1',
  fleet_id: 'f1',
  epoch: 3,
  task_id: 't1',
  attempt: 1,
  agent_id: 'walnut-gemini',
  prompt: { inline: '2+2?' },
};
const long = (size_bytes: number): Partial<RunRequest> => ({
  prompt: { ref: { slices: 1, size_bytes, sha256: '0'.repeat(64) } },
});

interface Case {
  readonly request?: Partial<RunRequest>;
  readonly facts?: Partial<NodeFacts>;
  readonly agent?: Partial<AgentStatus> | 'none';
  readonly known?: KnownPhase;
}

function decide(given: Case): Admission {
  const status = given.agent === 'none' ? undefined : { ...agent, ...given.agent };
  return admit({ ...request, ...given.request }, { ...facts, ...given.facts }, status, given.known);
}

function outcome(given: Case): string {
  const admission = decide(given);
  switch (admission.decision) {
    case 'accept':
      return 'accept';
    case 'known':
      return admission.phase;
    case 'refuse':
      return admission.error.code;
    case 'disown':
      return `never: ${admission.error.code}`;
  }
}

describe('a node asked to run an attempt', () => {
  test.each<[string, Case, string]>([
    ['with a free slot', {}, 'accept'],
    ['by a newer coordinator', { request: { epoch: 4 } }, 'accept'],
    ['with a prompt of exactly the limit', { request: { prompt: { inline: '12345678' } } }, 'accept'],
    ['with a long prompt of exactly the limit', { request: long(8) }, 'accept'],
    ['with a model it serves', { request: { model: 'pro' }, agent: { models: ['pro'] } }, 'accept'],
    ['with any model where none are named', { request: { model: 'pro' } }, 'accept'],
    ['meant for an earlier life', { request: { instance_id: 'i0' } }, 'wrong_instance'],
    ['by a replaced coordinator', { request: { epoch: 2 } }, 'stale_epoch'],
    ['by a fleet never met before', { request: { fleet_id: 'f2', epoch: 1 } }, 'accept'],
    ['by a former fleet', { request: { fleet_id: 'f0', epoch: 9 } }, 'stale_epoch'],
    ['only if it knows it', { request: { known_only: true } }, 'never: attempt_unknown'],
    [
      'only if it knows it, while it drains',
      { request: { known_only: true }, facts: { draining: true } },
      'never: attempt_unknown',
    ],
    ['only if it knows it, which it does', { request: { known_only: true }, known: 'running' }, 'running'],
    [
      'for an agent that cools down',
      { agent: { cooldown_ms: 10, cooldown_code: 'quota_exhausted' } },
      'quota_exhausted',
    ],
    ['for an agent that has cooled down', { agent: { cooldown_ms: 0 } }, 'accept'],
    [
      'for an agent that cools down, with a model it does not serve',
      { request: { model: 'ultra' }, agent: { models: ['pro'], cooldown_ms: 10 } },
      'model_not_found',
    ],
    ['while it drains', { facts: { draining: true } }, 'draining'],
    ['without room for results', { facts: { has_room: false } }, 'outbox_full'],
    ['for an agent it does not have', { agent: 'none' }, 'agent_unknown'],
    ['for a disabled agent', { agent: { enabled: false } }, 'agent_disabled'],
    ['for an agent that starts', { agent: { health: 'starting' } }, 'agent_starting'],
    ['for an agent that is unavailable', { agent: { health: 'unavailable' } }, 'agent_starting'],
    [
      'for an agent that is not signed in',
      {
        agent: {
          health: 'unavailable',
          problem: { code: 'cli_not_signed_in', message: 'Sign in.', retryable: false },
        },
      },
      'cli_not_signed_in',
    ],
    [
      'with a model it does not serve',
      { request: { model: 'ultra' }, agent: { models: ['pro'] } },
      'model_not_found',
    ],
    ['with a prompt over the limit', { request: { prompt: { inline: '123456789' } } }, 'prompt_too_large'],
    [
      'with a prompt over the limit in bytes only',
      { request: { prompt: { inline: 'ééééé' } } },
      'prompt_too_large',
    ],
    ['with a long prompt over the limit', { request: long(9) }, 'prompt_too_large'],
    ['with all slots taken', { agent: { running: 2 } }, 'slots_taken'],
    ['with no slots at all', { agent: { running: 0, max_concurrent: 0 } }, 'slots_taken'],
  ])('%s (%#)', (_what, given, expected) => {
    expect(outcome(given)).toBe(expected);
  });

  test.each(['receiving', 'running', 'finished'] as const)(
    'answers that the attempt is %s, whatever has become of the node or its agent',
    known => {
      const cases: Case[] = [
        {},
        { facts: { draining: true, has_room: false } },
        { agent: 'none' },
        { agent: { running: 2, enabled: false, health: 'unavailable' } },
      ];
      expect(cases.map(given => outcome({ ...given, known }))).toEqual(cases.map(() => known));
    },
  );

  test('refuses for ever an attempt that was cancelled before it came', () => {
    expect(outcome({ known: 'refused' })).toBe('attempt_refused');
  });

  test('tells a coordinator of its own standing before anything of the attempt', () => {
    expect(outcome({ request: { epoch: 2 }, known: 'running' })).toBe('stale_epoch');
    expect(outcome({ request: { instance_id: 'i0', epoch: 2 }, known: 'running' })).toBe('wrong_instance');
  });

  test('says what is wrong in the words of the agent’s own problem', () => {
    const problem = { code: 'cli_missing', message: 'No gemini on PATH.', retryable: false } as const;
    const admission = decide({ agent: { health: 'unavailable', problem } });
    expect(admission.decision === 'refuse' && admission.error.message).toBe('No gemini on PATH.');
  });

  test('says how long a cooldown still lasts', () => {
    const admission = decide({ agent: { cooldown_ms: 1_500, cooldown_code: 'rate_limited' } });
    expect(admission.decision === 'refuse' && admission.error).toMatchObject({
      code: 'rate_limited',
      retry_after_ms: 1_500,
      retryable: true,
    });
  });

  test('hands on how long a broken agent is left alone', () => {
    const problem = {
      code: 'cli_crashed',
      message: 'It keeps crashing.',
      retryable: true,
      retry_after_ms: 9,
    } as const;
    const admission = decide({ agent: { health: 'unavailable', problem } });
    expect(admission.decision === 'refuse' && admission.error.retry_after_ms).toBe(9);
  });
});
