/** `format` is a courtesy: the instructions ask for the same, and whoever asked checks the answer. */
import type { Format } from '../../../protocol/conversation.ts';
import { CcliError } from '../../../protocol/errors.ts';

/** What a server says that cannot hold its model to a schema, or knows no schemas at all. */
const ABOUT_FORMAT = /json schema|grammar|\bformat\b/i;

/**
 * Asks again without the format when that is what a server refuses: else the schema of one caller would count against
 * the agent, for everybody.
 *
 * @throws CcliError what is wrong without the format too, or came after some of an answer
 */
export async function preferringFormat<T>(
  format: Format | undefined,
  ask: (format: Format | undefined, onChunk: (text: string) => void) => Promise<T>,
  onChunk: (text: string) => void,
): Promise<T> {
  const heard = { any: false };
  const hear = (text: string): void => {
    heard.any = true;
    onChunk(text);
  };
  try {
    return await ask(format, hear);
  } catch (error) {
    if (format === undefined || heard.any || !refusesFormat(error)) throw error;
    return await ask(undefined, onChunk);
  }
}

/** The judgement has the server's own words as its cause. */
function refusesFormat(error: unknown): boolean {
  if (!(error instanceof CcliError)) return false;
  if (error.code !== 'model_unavailable' && error.code !== 'model_rejected') return false;
  return error.cause instanceof Error && ABOUT_FORMAT.test(error.cause.message);
}
