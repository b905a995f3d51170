import { describe, expect, test } from 'vitest';
import type { Desired } from '../../coordinator/core/desired.ts';
import type { NodeSight } from '../../coordinator/fleet.ts';
import { advertisedAgent, permittedAgent, registeredAgent } from '../../coordinator/locate-agent.ts';
import { advertOf } from '../support/advert.ts';
import { advertisedAgent as candidate } from '../support/candidate.ts';

const OLLAMA = { endpoint: 'http://gpu:11434', model: 'llama3' };

/** A node, the agents it advertises, and whether it permits agents on our Ollama server. */
const node = (name: string, agents: string[], permits = false, more: Partial<NodeSight> = {}): NodeSight => ({
  advert: advertOf({
    node: name,
    agents: agents.map(agent_id => candidate({ agent_id }).status),
    ollama_endpoints: permits ? [OLLAMA.endpoint] : [],
  }),
  alive: true,
  contested: false,
  silent_ms: 0,
  ...more,
});

const registry = (...keys: string[]): Desired => ({
  revision: 1,
  records: new Map(
    keys.map(key => {
      const [at = '', agent_id = ''] = key.split('.');
      return [key, { v: 1, node: at, agent_id, agent_type: 'ollama', registered_at_ms: 1, canary: 'passed' }];
    }),
  ),
  unreadable: new Map(),
});

describe('an agent that a node’s file names', () => {
  const fleet = [node('walnut', ['shared', 'walnut-gemini']), node('ironwood', ['shared'])];

  test('is found where it is advertised', () => {
    expect(advertisedAgent({ agent_id: 'walnut-gemini' }, fleet)).toEqual({
      node: 'walnut',
      agent_id: 'walnut-gemini',
    });
    expect(advertisedAgent({ agent_id: 'shared', node: 'ironwood' }, fleet).node).toBe('ironwood');
  });

  test.each([
    [
      { agent_id: 'shared' },
      'invalid_request',
      'Several nodes come into question for shared: ironwood, walnut.',
    ],
    [{ agent_id: 'gone' }, 'agent_unknown', 'there are shared, walnut-gemini'],
    [{ agent_id: 'walnut-gemini', node: 'ironwood' }, 'agent_unknown', 'No agent of node ironwood is called'],
    [{ agent_id: 'shared', node: 'oak' }, 'node_unknown', 'there are ironwood, walnut'],
  ])('%o is refused with %s', (named, code, says) => {
    expect(() => advertisedAgent(named, fleet)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(says) as string }),
    );
  });

  test('on a silent or contested node is refused for that', () => {
    const silent = [node('walnut', ['walnut-gemini'], false, { alive: false })];
    expect(() => advertisedAgent({ agent_id: 'walnut-gemini' }, silent)).toThrow(
      expect.objectContaining({ code: 'node_lost' }),
    );
    const contested = [node('walnut', ['walnut-gemini'], false, { contested: true })];
    expect(() => advertisedAgent({ agent_id: 'walnut-gemini' }, contested)).toThrow(
      expect.objectContaining({ code: 'wrong_instance' }),
    );
  });
});

describe('an agent that only the registry defines', () => {
  test('goes to the one node that permits its server', () => {
    const fleet = [node('walnut', []), node('ironwood', [], true)];
    expect(permittedAgent({ agent_id: 'llama' }, OLLAMA, fleet, registry()).node).toBe('ironwood');
  });

  test('goes where it was registered before when several permit it', () => {
    const fleet = [node('walnut', [], true), node('ironwood', [], true)];
    expect(() => permittedAgent({ agent_id: 'llama' }, OLLAMA, fleet, registry())).toThrow(
      expect.objectContaining({
        code: 'invalid_request',
        message: expect.stringContaining('`node`') as string,
      }),
    );
    expect(permittedAgent({ agent_id: 'llama' }, OLLAMA, fleet, registry('walnut.llama')).node).toBe(
      'walnut',
    );
  });

  test.each([[undefined], ['walnut']])(
    'is refused, naming the setting, where nobody permits it (node %s)',
    at => {
      const fleet = [node('walnut', [])];
      expect(() => permittedAgent({ agent_id: 'llama', node: at }, OLLAMA, fleet, registry())).toThrow(
        expect.objectContaining({
          code: 'not_permitted',
          message: expect.stringContaining('permit.ollama.endpoints') as string,
        }),
      );
    },
  );
});

describe('an agent of the registry', () => {
  test('is found by its id, also when its record cannot be read or its node is gone', () => {
    expect(registeredAgent({ agent_id: 'llama' }, registry('walnut.llama'), []).node).toBe('walnut');
    const problem = { code: 'invalid_request', message: 'No.', retryable: false } as const;
    const unreadable = new Map([['walnut.llama', problem]]);
    expect(registeredAgent({ agent_id: 'llama' }, { ...registry(), unreadable }, []).node).toBe('walnut');
  });

  test.each([
    ['several', { agent_id: 'llama' }, 'invalid_request', 'ironwood, walnut'],
    ['none, though it is there', { agent_id: 'walnut-gemini' }, 'agent_not_registered', 'register it first'],
    ['none at all', { agent_id: 'lama' }, 'agent_unknown', 'there is llama'],
    ['none on that node', { agent_id: 'llama', node: 'oak' }, 'agent_unknown', 'on oak'],
  ])('is refused when there is %s', (_what, named, code, says) => {
    const desired = registry('walnut.llama', 'ironwood.llama');
    expect(() => registeredAgent(named, desired, [node('walnut', ['walnut-gemini'])])).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(says) as string }),
    );
  });
});
