/** Agents as nodes advertise them and as the fleet sees them, free and ready unless a test says otherwise. */
import type { AgentStatus } from '../../protocol/agent.ts';
import type { AgentView } from '../../protocol/operation.ts';

export const agentStatus = (over: Partial<AgentStatus> = {}): AgentStatus => ({
  agent_id: 'walnut-gemini',
  agent_type: 'cli_gemini',
  driver: 'acp',
  specialty: ['general_ai'],
  labels: {},
  priority: 0,
  max_concurrent: 2,
  running: 0,
  enabled: true,
  health: 'ready',
  signed_in: 'yes',
  warm: false,
  tool_policy: 'deny',
  timeout_ms: 300_000,
  max_prompt_bytes: 1_000_000,
  ...over,
});

/** Whether it is available follows from the rest, as in a real fleet. */
export function agentView(agent_id: string, over: Partial<AgentView> = {}): AgentView {
  const node = over.node ?? 'walnut';
  const agent = {
    ...agentStatus({ agent_id }),
    node,
    alive: true,
    draining: false,
    registration: 'registered' as const,
    allowed: true,
    endpoint: `cli://${node}`,
    ...over,
  };
  const busy = agent.running >= agent.max_concurrent;
  const usable = agent.alive && !agent.draining && agent.enabled && agent.health === 'ready' && agent.allowed;
  return { ...agent, available: over.available ?? (usable && !busy && (agent.cooldown_ms ?? 0) === 0) };
}

export const ollamaView = (agent_id: string, over: Partial<AgentView> = {}): AgentView =>
  agentView(agent_id, {
    agent_type: 'ollama',
    driver: 'ollama',
    signed_in: 'unknown',
    endpoint: 'http://walnut:11434',
    ...over,
  });
