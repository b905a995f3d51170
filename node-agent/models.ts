/** Which models a task may name to an agent, and which of them are in memory. */
import { hasModel } from '../protocol/model-name.ts';
import type { AgentConfig } from './agent-config/agent.ts';

/** Whether its tool is told a model at all: in an argument, or by a protocol that has a word for it. */
export const takesModel = (agent: AgentConfig): boolean =>
  agent.agent_type !== 'cli_generic' ||
  agent.driver === 'acp' ||
  agent.args.some(arg => arg.includes('{model}'));

/**
 * The only ones; undefined when any may be tried. A tool that is told no model has only its own: a task that names
 * another one would not get it.
 */
export function modelsOf(agent: AgentConfig): string[] | undefined {
  if (agent.models !== undefined || takesModel(agent)) return agent.models;
  return agent.model === undefined ? [] : [agent.model];
}

/** The list is of the last look; whether the agent's own model is in memory, its driver has known since its last run. */
export function loadedNow(agent: AgentConfig, listed: readonly string[], warm: boolean): string[] {
  const { model } = agent;
  if (agent.agent_type !== 'ollama' || model === undefined) return [...listed];
  const others = listed.filter(name => !hasModel(agent, [model], name));
  return warm ? [model, ...others] : others;
}
