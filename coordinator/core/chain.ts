/** Fallback chains: which agents a task may go to, in which order. */
import type { AgentStatus } from '../../protocol/agent.ts';
import type { TaskOptions } from '../../protocol/task.ts';

/** Types or ids of agents, best first, without repeats. */
export type Chain = readonly string[];

/** A chain for tasks that bring none of their own, by the type or id they name; `default` for those that name none. */
export type FallbackPolicy = Readonly<Record<string, Chain>>;

/** @returns undefined when the task goes to whoever fits, or waits */
export function chainOf(
  { agent_id, agent_type, fallback }: TaskOptions,
  policy: FallbackPolicy,
): Chain | undefined {
  const named = agent_id ?? agent_type;
  const key = named ?? 'default';
  const rest = fallback ?? (Object.hasOwn(policy, key) ? policy[key] : undefined);
  if (rest === undefined) return undefined;
  return [...new Set(named === undefined ? rest : [named, ...rest])];
}

/** The agent's place in the chain, from 0; undefined when it is no member. What the task names itself is position 0. */
export function positionOf(agent: AgentStatus, chain: Chain, options: TaskOptions): number | undefined {
  const position = chain.findIndex((name, index) =>
    index === 0 && (options.agent_id ?? options.agent_type) !== undefined
      ? isNamed(agent, options)
      : name === agent.agent_id || name === agent.agent_type,
  );
  return position === -1 ? undefined : position;
}

export const isNamed = (agent: AgentStatus, { agent_id, agent_type }: TaskOptions): boolean =>
  (agent_id === undefined || agent_id === agent.agent_id) &&
  (agent_type === undefined || agent_type === agent.agent_type);

export const describeChain = (chain: Chain): string => chain.join(' -> ');
