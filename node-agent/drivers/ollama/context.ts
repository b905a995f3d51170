/** A conversation that has grown longer than the context of its model goes on without its oldest turns. */
import type { Turn } from '../../../protocol/conversation.ts';
import { CcliError } from '../../../protocol/errors.ts';

/**
 * Asks with fewer and fewer turns: the model alone counts its tokens. A server that shortens prompts in silence is found
 * out by the end of its answer: by then its words have been handed on, and those of another one must not follow them.
 *
 * @throws CcliError `context_too_long` when the prompt is too long on its own, or some of an answer has come
 */
export async function withinContext<T>(
  history: readonly Turn[],
  ask: (history: readonly Turn[], onChunk: (text: string) => void) => Promise<T>,
  onChunk: (text: string) => void,
): Promise<T> {
  const heard = { any: false };
  const hear = (text: string): void => {
    heard.any = true;
    onChunk(text);
  };
  try {
    return await ask(history, hear);
  } catch (error) {
    const too_long = error instanceof CcliError && error.code === 'context_too_long';
    if (!too_long || heard.any || history.length === 0) throw error;
    return await withinContext(history.slice(Math.ceil(history.length / 2)), ask, onChunk);
  }
}
