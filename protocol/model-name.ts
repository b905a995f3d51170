/** Whether an agent's model is the one that is meant. */
import type { AgentType } from './agent.ts';

/** As Ollama lists them: without its own registry, with a tag. It does not tell cases apart. */
function canonical(name: string): string {
  const short = name
    .toLowerCase()
    .replace(/^registry\.ollama\.ai\//, '')
    .replace(/^library\//, '');
  return short.slice(short.lastIndexOf('/') + 1).includes(':') ? short : `${short}:latest`;
}

/** To Ollama. */
export const isSameModel = (one: string, other: string): boolean => canonical(one) === canonical(other);

/** Ollama lets the tag be left out; to every other tool a name is only itself. */
export const hasModel = (
  { agent_type }: { readonly agent_type: AgentType },
  models: readonly string[],
  wanted: string,
): boolean =>
  models.includes(wanted) || (agent_type === 'ollama' && models.some(model => isSameModel(model, wanted)));
