/** What a task wants of the sampling, in the words of Ollama. */
import type { Generation } from '../../../protocol/generation.ts';
import type { OllamaAgentConfig } from '../../agent-config/ollama.ts';

type Options = OllamaAgentConfig['options'];

/**
 * Over the agent's own options, but for `stop`: Ollama puts a list in place of the one it had, and where a model has to
 * be stopped is not the caller's affair. Of two limits the smaller one holds: the operator's is for everybody.
 */
export function withGeneration(own: Options, generation: Generation = {}): Options {
  const { max_tokens, temperature, top_p, stop, seed } = generation;
  return {
    ...own,
    ...(max_tokens !== undefined && { num_predict: smaller(own['num_predict'], max_tokens) }),
    ...(temperature !== undefined && { temperature }),
    ...(top_p !== undefined && { top_p }),
    ...(stop !== undefined && stop.length > 0 && { stop: [...stopsOf(own), ...stop] }),
    ...(seed !== undefined && { seed }),
  };
}

/** Below zero Ollama knows no limit. */
const smaller = (own: unknown, asked: number): number =>
  typeof own === 'number' && own >= 0 ? Math.min(own, asked) : asked;

const stopsOf = ({ stop }: Options): readonly string[] =>
  Array.isArray(stop) ? stop : typeof stop === 'string' ? [stop] : [];
