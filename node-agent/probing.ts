/** The `.probe` door: a fresh look at an agent, or at one as a registration would define it. */
import type { ProbeReply, ProbeRequest } from '../protocol/control.ts';
import { CcliError, toErrorBody } from '../protocol/errors.ts';
import type { AgentDefinition } from '../protocol/registration.ts';
import type { Agent } from './agent.ts';
import { sendCanary } from './canary.ts';
import { objection, type Permission } from './core/ceilings.ts';
import { isSameTarget, registeredAgent, settingsOf } from './registered.ts';
import type { Roster } from './roster.ts';

interface ProbingOptions {
  readonly roster: Roster;
  readonly permission: Permission;
  readonly draining: () => boolean;
  readonly signal: AbortSignal;
}

/** @throws CcliError `agent_unknown`; `not_permitted` for a definition that the node's file does not allow */
export async function probe(
  { agent_id, canary, definition }: ProbeRequest,
  { roster, permission, draining, signal }: ProbingOptions,
): Promise<ProbeReply> {
  const look = async (agent: Agent): Promise<ProbeReply> => {
    // As it would be from now on: a pin that is new may already make the canary pointless.
    const status = () =>
      definition === undefined ? agent.status() : agent.statusWith(settingsOf(definition));
    await agent.probe(signal);
    if (!canary) return status();
    const failure = draining() ? new CcliError('draining') : await sendCanary(agent, status(), signal);
    return { ...status(), ...(failure !== undefined && { canary_error: toErrorBody(failure) }) };
  };

  if (definition !== undefined) {
    const why = objection(agent_id, definition, permission);
    if (why !== undefined) throw why;
  }
  const agent = roster.agents.get(agent_id);
  if (agent !== undefined && isMeant(agent, definition)) return await look(agent);
  if (definition?.ollama === undefined)
    throw new CcliError('agent_unknown', `This node has no agent "${agent_id}".`);
  return await roster.lend(registeredAgent(agent_id, definition.ollama, permission.max_concurrent), look);
}

const isMeant = ({ config }: Agent, definition: AgentDefinition | undefined): boolean =>
  definition?.ollama === undefined ||
  (config.agent_type === 'ollama' && isSameTarget(config, definition.ollama));
