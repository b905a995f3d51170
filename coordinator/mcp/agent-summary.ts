/** An agent as tools show it: what a model needs to choose one, or to see why it cannot work. */
import { z } from 'zod';
import {
  AgentHealthSchema,
  AgentTypeSchema,
  RecentRunsSchema,
  SpecialtySchema,
} from '../../protocol/agent.ts';
import type { AgentView } from '../../protocol/operation.ts';
import { FailureSchema } from './task-answer.ts';

export const AgentChoiceSchema = z.object({
  agent_id: z.string(),
  agent_type: AgentTypeSchema,
  node: z.string(),
  specialty: z.array(SpecialtySchema),
  model: z.string().optional().describe('What it uses when a task names no model'),
  models: z.array(z.string()).optional().describe('The only models a task may name'),
  available: z.boolean().describe('Whether a task would be given to it now'),
  state: z.string().describe('In words: ready, busy, cooling down, …'),
  free_slots: z.int(),
  max_concurrent: z.int(),
});

export const AgentDetailsSchema = AgentChoiceSchema.extend({
  health: AgentHealthSchema,
  problem: FailureSchema.optional(),
  cooldown_ms: z.int().optional().describe('What remains of its pause after a rate limit or a used-up quota'),
  cooldown_code: z.string().optional(),
  signed_in: z.enum(['yes', 'no', 'unknown']),
  warm: z.boolean(),
  cli_version: z.string().optional(),
  expected_version: z.string().optional(),
  node_version: z.string().optional(),
  endpoint: z.string(),
  recent: RecentRunsSchema.optional(),
});

export const agentChoice = (agent: AgentView): z.output<typeof AgentChoiceSchema> => ({
  agent_id: agent.agent_id,
  agent_type: agent.agent_type,
  node: agent.node,
  specialty: agent.specialty,
  ...(agent.model !== undefined && { model: agent.model }),
  ...(agent.models !== undefined && { models: agent.models }),
  available: agent.available,
  state: stateOf(agent),
  free_slots: agent.available ? Math.max(0, agent.max_concurrent - agent.running) : 0,
  max_concurrent: agent.max_concurrent,
});

export const agentDetails = (agent: AgentView): z.output<typeof AgentDetailsSchema> => ({
  ...agentChoice(agent),
  health: agent.health,
  ...(agent.problem !== undefined && { problem: agent.problem }),
  ...(agent.cooldown_ms !== undefined && { cooldown_ms: agent.cooldown_ms }),
  ...(agent.cooldown_code !== undefined && { cooldown_code: agent.cooldown_code }),
  signed_in: agent.signed_in,
  warm: agent.warm,
  ...(agent.cli_version !== undefined && { cli_version: agent.cli_version }),
  ...(agent.expected_version !== undefined && { expected_version: agent.expected_version }),
  ...(agent.node_version !== undefined && { node_version: agent.node_version }),
  endpoint: agent.endpoint,
  ...(agent.recent !== undefined && { recent: agent.recent }),
});

/** The nearest reason why no task would be given to it, or that one would. */
export function stateOf(agent: AgentView): string {
  const { problem, cooldown_ms = 0, cooldown_code } = agent;
  if (!agent.alive) return 'lost: its node is silent';
  if (!agent.enabled) return 'disabled';
  if (agent.ssh_fallback === 'off' && agent.transport === 'ssh')
    return 'reached over SSH only, which it is kept from';
  if (agent.ssh_fallback === 'only' && agent.transport !== 'ssh')
    return 'to be reached over SSH only, and there is no line';
  if (agent.draining) return 'its node is draining';
  if (agent.health === 'unavailable')
    return problem === undefined ? 'unavailable' : `unavailable: ${problem.code}: ${problem.message}`;
  if (agent.health === 'starting') return 'starting';
  if (cooldown_ms > 0) {
    const why = cooldown_code === undefined ? '' : ` (${cooldown_code})`;
    return `cooling down for ${Math.ceil(cooldown_ms / 1_000)} s${why}`;
  }
  if (!agent.allowed) return 'not registered, so it gets no work';
  if (agent.max_concurrent === 0) return 'without slots';
  if (agent.running >= agent.max_concurrent) return 'busy';
  return agent.available ? 'ready' : 'not available';
}

export function agentLine(agent: AgentView): string {
  const { agent_id, agent_type, node, model, specialty, running, max_concurrent } = agent;
  const uses = model === undefined ? '' : `, model ${model}`;
  const good = specialty.length === 0 ? '' : `, good at ${specialty.join(', ')}`;
  return `${agent_id}: ${agent_type} on ${node}${uses}${good}; ${stateOf(agent)}, ${running} of ${max_concurrent} slots taken`;
}
