/** What a run request's prompt text says: a prompt, or a conversation with one at its end. */
import { check } from '../protocol/codec.ts';
import type { RunRequest } from '../protocol/control.ts';
import { ConversationSchema } from '../protocol/conversation.ts';
import { CcliError } from '../protocol/errors.ts';
import type { DriverTask } from './drivers/driver.ts';

export type Said = Pick<DriverTask, 'instructions' | 'history' | 'prompt' | 'format'>;

/** @throws CcliError `invalid_request` when it should be a conversation and is none */
export function saidIn(text: string, { conversation }: Pick<RunRequest, 'conversation'>): Said {
  if (conversation === undefined) return { prompt: text };
  const { instructions = '', turns, prompt, format } = check(ConversationSchema, parse(text));
  return {
    ...(instructions.trim() !== '' && { instructions }),
    ...(turns.length > 0 && { history: turns }),
    prompt,
    ...(format !== undefined && { format }),
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new CcliError('invalid_request', 'The prompt should be a conversation, and is not JSON.', {
      cause,
    });
  }
}
