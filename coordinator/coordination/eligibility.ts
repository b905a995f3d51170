/** Whether an agent may be asked at all, from its view alone. */
import type { ErrorCode } from '../../protocol/errors.ts';
import type { AgentView } from '../../protocol/operation.ts';

/** Why it may not, as the rest of a sentence that begins with its id. */
export interface Unusable {
  readonly code: ErrorCode;
  readonly why: string;
}

/** Undefined for an agent that takes a task now, or will by itself: busy and starting ones are waited for. */
export function unusable(agent: AgentView, prompt_bytes: number): Unusable | undefined {
  if (!agent.alive) return { code: 'node_lost', why: `is on node ${agent.node}, which is silent` };
  if (agent.draining) return { code: 'draining', why: `is on node ${agent.node}, which is draining` };
  if (!agent.enabled) return { code: 'agent_disabled', why: 'is disabled' };
  if (agent.health === 'unavailable') {
    const code = agent.problem?.code ?? 'cli_crashed';
    return {
      code,
      why: `is unavailable (${code}: ${agent.problem?.message.slice(0, 300) ?? 'no reason told'})`,
    };
  }
  const left_ms = agent.cooldown_ms ?? 0;
  if (left_ms > 0) {
    const code = agent.cooldown_code ?? 'rate_limited';
    return { code, why: `is cooling down (${code}) for another ${Math.ceil(left_ms / 1_000)} s` };
  }
  if (agent.max_concurrent === 0) return { code: 'slots_taken', why: 'has no slots' };
  if (prompt_bytes > agent.max_prompt_bytes) {
    return {
      code: 'prompt_too_large',
      why: `takes prompts of up to ${agent.max_prompt_bytes} bytes; this one has ${prompt_bytes}`,
    };
  }
  if (!agent.allowed) {
    return {
      code: 'agent_not_registered',
      why: 'is not registered, and this fleet gives work to registered agents only',
    };
  }
  if (agent.available || isBusy(agent) || agent.health === 'starting') return undefined;
  return { code: 'wrong_instance', why: `gets no work now; look at node ${agent.node}` };
}

export const isBusy = ({ running, max_concurrent }: AgentView): boolean => running >= max_concurrent;
