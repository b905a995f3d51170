import { describe, expect, test } from 'vitest';
import { colorsFor } from '../../../../coordinator/cli/render/colors.ts';
import { agentTable, nodeTable, statusDetails } from '../../../../coordinator/cli/render/fleet.ts';
import { type AgentView, AgentViewSchema, NodeViewSchema } from '../../../../protocol/operation.ts';

const plain = colorsFor(false, {});

const agent = (changes: Partial<AgentView> = {}): AgentView =>
  AgentViewSchema.parse({
    agent_id: 'walnut-gemini',
    agent_type: 'cli_gemini',
    driver: 'acp',
    specialty: ['kernel_dev', 'tester'],
    model: 'gemini-2.5-pro',
    labels: {},
    priority: 0,
    max_concurrent: 2,
    running: 1,
    enabled: true,
    health: 'ready',
    signed_in: 'yes',
    warm: false,
    tool_policy: 'deny',
    timeout_ms: 1,
    max_prompt_bytes: 1,
    node: 'walnut',
    alive: true,
    draining: false,
    available: true,
    ...changes,
  });

describe('agents', () => {
  test('are rows of an aligned table', () => {
    expect(agentTable([agent({ cli_version: '0.61.0' }), agent({ agent_id: 'a', model: 'm' })], plain)).toBe(
      `AGENT           TYPE         NODE     STATUS   SLOTS   MODEL            SPECIALTY           CLI      NODE.JS
walnut-gemini   cli_gemini   walnut   ready    1/2     gemini-2.5-pro   kernel_dev,tester   0.61.0   -
a               cli_gemini   walnut   ready    1/2     m                kernel_dev,tester   -        -
`,
    );
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
    ['paused 2.0 s', { cooldown_ms: 2_000 }],
    ['busy', { running: 2 }],
    ['not available', { available: false }],
  ])('say %s', (status, changes) => {
    expect(agentTable([agent(changes)], plain)).toContain(`   walnut   ${status}   `);
  });
});

test('nodes show load, memory and GPUs, equal ones together', () => {
  const gpu = (name: string) => ({
    name,
    memory_total_bytes: 1,
    memory_used_bytes: 0,
    utilization_percent: 0,
  });
  const node = NodeViewSchema.parse({
    node: 'walnut',
    instance_id: 'i',
    seq: 1,
    version: '0.1.0',
    node_js: 'v22.14.0',
    interval_ms: 5_000,
    uptime_ms: 184_000,
    draining: false,
    leaving: false,
    outbox: 0,
    config_revision: 0,
    host: {
      cpus: 64,
      load_1m: 1.26,
      memory_total_bytes: 128 * 1024 ** 3,
      memory_available_bytes: 116 * 1024 ** 3,
      gpus: [gpu('H100'), gpu('A10'), gpu('H100')],
    },
    alive: true,
    contested: false,
    silent_ms: 10,
    agents: 3,
    running: 2,
    slots: 6,
  });
  expect(nodeTable([node, { ...node, node: 'ironwood', alive: false, silent_ms: 20_000 }], plain)).toBe(
    `NODE       STATUS                AGENTS   SLOTS   LOAD     MEMORY           GPUS            VERSION   NODE.JS    UP
walnut     alive                 3        2/6     1.3/64   12 GiB/128 GiB   2 x H100, A10   0.1.0     v22.14.0   3 min 4 s
ironwood   lost, silent 20.0 s   3        2/6     1.3/64   12 GiB/128 GiB   2 x H100, A10   0.1.0     v22.14.0   3 min 4 s
`,
  );
});

test('the status says what durability rests on, and what it lacks', () => {
  const text = statusDetails(
    {
      version: '0.1.0',
      coordinator_id: 'c1',
      epoch: 1,
      uptime_ms: 1_500,
      nats: { server_version: '2.9.10', url: 'nats://x', durability: 'process_crash', warning: 'too old' },
      nodes: { alive: 1, lost: 2 },
      agents: { available: 1, total: 3 },
      slots: { free: 2, total: 6 },
      tasks: { queued: 1, assigned: 0, running: 2, completed: 3, failed: 0, cancelled: 0 },
    },
    plain,
  );
  expect(text).toContain('durability    accepted tasks survive a crash, but maybe not a power cut\n');
  expect(text).toContain('warning       too old\n');
  expect(text).toContain('nodes         1 alive, 2 lost\n');
  expect(text).toContain(
    'tasks         1 queued, 0 assigned, 2 running, 3 completed, 0 failed, 0 cancelled\n',
  );
});
