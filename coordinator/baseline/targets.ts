/** What a name given to `ccli bench` means: an agent of the fleet, a node of it with all its agents, or just a host. */
import type { AgentView } from '../../protocol/operation.ts';

export interface Targets {
  readonly agents: readonly AgentView[];
  /** As `ssh` calls it; undefined when SSH is not what is measured. */
  readonly host: string | undefined;
  readonly notes: readonly string[];
}

export function findTargets(name: string, agents: readonly AgentView[]): Targets {
  const named = agents.filter(({ agent_id }) => agent_id === name);
  const [agent, ...others] = named;
  if (agent !== undefined)
    return {
      agents: [agent],
      host: undefined,
      notes:
        others.length === 0
          ? []
          : [`${name}: on ${named.map(({ node }) => node).join(' and ')}; a task goes to either`],
    };
  const notes: string[] = [];
  const measured = agents.filter(one => {
    if (one.node !== name) return false;
    // One whose slots are taken is measured as soon as it has one.
    if (one.alive && one.health === 'ready' && one.allowed && one.enabled && !one.draining) return true;
    notes.push(`${one.agent_id}: left out, ${one.problem?.message ?? 'it takes no work now'}`);
    return false;
  });
  return { agents: measured, host: name, notes };
}
