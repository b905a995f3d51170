/** Agents that only a registration defines: Ollama models, each on a server that the node's file permits. */
import { CcliError } from '../protocol/errors.ts';
import type { AgentDefinition, AgentSettings, OllamaTarget } from '../protocol/registration.ts';
import { type OllamaAgentConfig, OllamaAgentConfigSchema } from './agent-config/ollama.ts';

/** Slots of one that asks for no number, as for one in the node's file. */
const DEFAULT_SLOTS = 2;

/** Its ceiling is what the node's file permits; what was asked for is a setting, which may change while it runs. */
export function registeredAgent(
  id: string,
  target: OllamaTarget,
  permitted_slots: number,
): OllamaAgentConfig {
  const read = OllamaAgentConfigSchema.safeParse({
    id,
    agent_type: 'ollama',
    max_concurrent: permitted_slots,
    ...target,
  });
  if (read.success) return read.data;
  throw new CcliError('invalid_request', `Agent "${id}" cannot be made of its definition.`, {
    cause: read.error,
  });
}

export const settingsOf = ({ ollama, ...settings }: AgentDefinition): AgentSettings =>
  ollama === undefined ? settings : { ...settings, max_concurrent: settings.max_concurrent ?? DEFAULT_SLOTS };

/** Whether one can become the other while it runs: what answers is the same. */
export const isSameModel = (
  { endpoint, model }: OllamaAgentConfig,
  target: Pick<OllamaTarget, 'endpoint' | 'model'>,
): boolean => endpoint === target.endpoint && model === target.model;

/** Whether they answer alike: the terms may differ, how the model is asked may not. */
export const isSameTarget = (
  { endpoint, model, keep_alive, options }: OllamaAgentConfig,
  target: OllamaTarget,
): boolean =>
  JSON.stringify([endpoint, model, keep_alive, sorted(options)]) ===
  JSON.stringify([target.endpoint, target.model, target.keep_alive, sorted(target.options ?? {})]);

const sorted = (options: object): [string, unknown][] =>
  Object.entries(options).sort(([a], [b]) => (a < b ? -1 : 1));
