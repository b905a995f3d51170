/** What of a prompt's text must hold before it is stored: nobody could run it otherwise. */
import { z } from 'zod';
import { type Conversation, ConversationSchema, TurnSchema } from '../protocol/conversation.ts';
import { CcliError } from '../protocol/errors.ts';
import { beyondBounds, REQUEST_BOUNDS } from '../protocol/json-bounds.ts';

/** A caller's, in which a field that is unknown is a mistake: what it says would be lost in silence. */
const GivenConversationSchema = ConversationSchema.extend({ turns: z.array(TurnSchema.strict()) }).strict();

const BEYOND = {
  max_values: `it has more than ${REQUEST_BOUNDS.max_values} values; leave out the oldest turns`,
  max_depth: `it is nested deeper than ${REQUEST_BOUNDS.max_depth} levels`,
};
const MOST_NAMED = 10;

/** @throws CcliError `prompt_empty`, `prompt_has_nul`; `invalid_request` for what should be a conversation and is none */
export function checkPrompt(text: string, isConversation: boolean): void {
  if (text.trim() === '') throw new CcliError('prompt_empty');
  if (text.includes('\0')) throw new CcliError('prompt_has_nul');
  if (!isConversation) return;
  const conversation = conversationIn(text);
  if (conversation.prompt.trim() === '') throw new CcliError('prompt_empty');
  if (hasNul(conversation)) throw new CcliError('prompt_has_nul');
}

function conversationIn(text: string): Conversation {
  const beyond = beyondBounds(text, REQUEST_BOUNDS);
  if (beyond !== undefined) throw noConversation(BEYOND[beyond]);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw noConversation('it is not JSON', cause);
  }
  const parsed = GivenConversationSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const wrong = parsed.error.issues.slice(0, MOST_NAMED).map(({ path, message }) => {
    const where = path.map(String).join('.');
    return where === '' ? message : `${where}: ${message}`;
  });
  throw noConversation(wrong.join('; '));
}

/** As an escape, which the text itself does not show. */
function hasNul(value: unknown): boolean {
  if (typeof value === 'string') return value.includes('\0');
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(([name, inner]) => name.includes('\0') || hasNul(inner));
}

const noConversation = (why: string, cause?: unknown): CcliError =>
  new CcliError(
    'invalid_request',
    `With \`conversation\`, the prompt is to be a conversation in JSON: ${why}.`,
    {
      cause,
    },
  );
