import { describe, expect, test } from 'vitest';
import { agentTable } from '../../../../coordinator/cli/render/agents.ts';
import { colorsFor } from '../../../../coordinator/cli/render/colors.ts';
import type { AgentView } from '../../../../protocol/operation.ts';
import { agentView } from '../../../support/agent-view.ts';

const plain = colorsFor(false, {});

const agent = (changes: Partial<AgentView> = {}): AgentView =>
  agentView('walnut-gemini', {
    specialty: ['kernel_dev', 'tester'],
    model: 'gemini-2.5-pro',
    running: 1,
    ...changes,
  });

describe('agents', () => {
  test('are rows of an aligned table', () => {
    const agents = [
      agent({ cli_version: '0.61.0' }),
      agent({
        agent_id: 'ash-llama3',
        agent_type: 'ollama',
        model: 'llama3',
        specialty: ['reasoning'],
        endpoint: 'http://10.0.0.7:11434',
        registration: 'discovered',
      }),
    ];
    expect(agentTable(agents, plain)).toBe(
      `AGENT           TYPE         NODE     STATE   SLOTS   MODEL            SPECIALTY           ENDPOINT                REGISTRY     VERSION
walnut-gemini   cli_gemini   walnut   ready   1/2     gemini-2.5-pro   kernel_dev,tester   cli://walnut            registered   0.61.0
ash-llama3      ollama       walnut   ready   1/2     llama3           reasoning           http://10.0.0.7:11434   discovered   -
`,
    );
  });

  test('have a column only for what at least one of them has', () => {
    const { model: _, ...without } = agent();
    const [head] = agentTable([without], plain).split('\n');
    expect(head).toMatch(/SLOTS +SPECIALTY +ENDPOINT +REGISTRY$/);
    const [whole] = agentTable([agent({ node_version: 'v22.14.0' })], plain).split('\n');
    expect(whole).toMatch(/SLOTS +MODEL +SPECIALTY +ENDPOINT +REGISTRY +NODE.JS$/);
  });

  test('whose model is in memory say so, whichever way its tag is written', () => {
    const loaded = (model: string, ...loaded_models: string[]) =>
      agentTable([agent({ agent_type: 'ollama', model, loaded_models })], plain).includes(
        `${model} (loaded)`,
      );
    expect(loaded('llama3', 'phi4:14b', 'llama3:latest')).toBe(true);
    expect(loaded('llama3:8b', 'llama3:8b')).toBe(true);
    expect(loaded('llama3:8b', 'llama3:latest')).toBe(false);
    expect(loaded('llama3')).toBe(false);
  });

  test.each<[string, Partial<AgentView>]>([
    ['ready, warm', { warm: true }],
    ['lost', { alive: false }],
    ['disabled', { enabled: false }],
    ['draining', { draining: true }],
    ['starting', { health: 'starting' }],
    ['unavailable', { health: 'unavailable' }],
    [
      'cli_missing',
      { health: 'unavailable', problem: { code: 'cli_missing', message: 'm', retryable: false } },
    ],
    ['cooling 2.0 s', { cooldown_ms: 2_000 }],
    ['busy', { running: 2 }],
    ['no slots', { max_concurrent: 0, running: 0 }],
    ['not available', { available: false }],
    ['ssh not allowed', { available: false, transport: 'ssh', ssh_fallback: 'off' }],
    ['no ssh line', { available: false, ssh_fallback: 'only' }],
    ['not registered', { available: false, allowed: false, registration: 'discovered' }],
  ])('say %s', (status, changes) => {
    expect(agentTable([agent(changes)], plain)).toContain(`   walnut   ${status}   `);
  });

  test('of nodes with SSH show their policy, and whether they are reached so', () => {
    const text = agentTable(
      [agent({ ssh_fallback: 'on', transport: 'ssh' }), agent({ agent_id: 'b' })],
      plain,
    );
    expect(text.split('\n')[0]).toContain('SSH');
    expect(text).toContain('on, over ssh');
    expect(agentTable([agent({})], plain)).not.toContain('SSH');
  });

  test('that are not registered are told how to be, where that is what keeps them from work', () => {
    const idle = agent({ available: false, allowed: false, registration: 'discovered' });
    expect(agentTable([idle], plain)).toContain(
      '\nwalnut-gemini gets no work until it is registered: ccli agents register walnut-gemini --node walnut\n',
    );
    const text = agentTable([agent({ available: false, registration: 'discovered' })], plain);
    expect(text).toContain('not available');
    expect(text).not.toContain('registered');
  });

  test('of a wrong version say which they have and which they are pinned to', () => {
    const message = 'The CLI is 0.62.0, and pinned to ^0.61.0.';
    const text = agentTable(
      [
        agent({
          health: 'unavailable',
          available: false,
          problem: { code: 'version_mismatch', message, retryable: false },
        }),
      ],
      plain,
    );
    expect(text).toContain(`   version_mismatch   `);
    expect(text).toContain(`\nwalnut-gemini: ${message}\n`);
  });

  test('say below the table what keeps one from work, and what stands in for its driver', () => {
    const text = agentTable(
      [
        agent({ cooldown_ms: 43_000, cooldown_code: 'rate_limited' }),
        agent({ agent_id: 'ironwood-gemini', fallback_driver: 'headless' }),
      ],
      plain,
    );
    expect(text.split('\n').slice(3)).toEqual([
      'walnut-gemini is cooling down: rate_limited, 43.0 s left',
      'ironwood-gemini keeps failing by acp; headless stands in',
      '',
    ]);
  });
});
