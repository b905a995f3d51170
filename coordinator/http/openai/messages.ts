/** From a list of messages to a conversation: pure, and the same for both APIs. */
import type { Conversation } from '../../../protocol/conversation.ts';
import { ParameterError } from './parameter-error.ts';

export type Said = Pick<Conversation, 'turns' | 'prompt'> & { readonly instructions?: string };

/** One message, read. */
export interface Message {
  readonly role: 'instructions' | 'user' | 'assistant';
  readonly text: string;
}

const ROLES: Readonly<Record<string, Message['role']>> = {
  system: 'instructions',
  developer: 'instructions',
  user: 'user',
  assistant: 'assistant',
};

/** @param at the message: `messages[1]` @throws ParameterError `invalid_request` */
export function roleOf(role: string, at: string): Message['role'] {
  const known = Object.hasOwn(ROLES, role) ? ROLES[role] : undefined;
  if (known !== undefined) return known;
  throw new ParameterError(
    'invalid_request',
    `${at}.role`,
    `A message is of the role ${Object.keys(ROLES).join(', ')}; not "${role.slice(0, 50)}".`,
  );
}

/**
 * Instructions hold for the whole conversation wherever they stand; where nobody has spoken, the last of them is what
 * is to be answered. Messages of one role in a row are one message.
 *
 * @param list the name of the parameter, for errors
 * @throws ParameterError `invalid_request` when there is nothing to answer
 */
export function saidIn(messages: readonly Message[], list: string): Said {
  const instructions = messages
    .filter(({ role, text }) => role === 'instructions' && text.trim() !== '')
    .map(({ text }) => text);
  const spoken = joined(messages.filter(({ role }) => role !== 'instructions'));
  const { prompt, turns } = lastOf(spoken) ?? { prompt: instructions.pop(), turns: [] };
  if (prompt === undefined)
    throw new ParameterError(
      'invalid_request',
      list,
      'There is nothing to answer; send a message of the user.',
    );
  return {
    ...(instructions.length > 0 && { instructions: instructions.join('\n\n') }),
    turns,
    prompt,
  };
}

/** What a model is asked that has spoken last itself. */
const GO_ON = 'Go on.';

/** Undefined when nobody has spoken. */
function lastOf(spoken: readonly Message[]): Said | undefined {
  const last = spoken.at(-1);
  if (last === undefined) return undefined;
  return last.role === 'user'
    ? { turns: turnsOf(spoken.slice(0, -1)), prompt: last.text }
    : { turns: turnsOf(spoken), prompt: GO_ON };
}

function joined(messages: readonly Message[]): Message[] {
  const runs: { role: Message['role']; texts: string[] }[] = [];
  for (const { role, text } of messages) {
    const run = runs.at(-1);
    if (run?.role === role) run.texts.push(text);
    else runs.push({ role, texts: [text] });
  }
  return runs.map(({ role, texts }) => ({
    role,
    text: texts.filter(text => text !== '').join('\n\n'),
  }));
}

/** They take turns, as `joined` leaves them. An assistant that spoke first answered nothing. */
function turnsOf(spoken: readonly Message[]): { prompt: string; response: string }[] {
  const first = spoken[0]?.role === 'assistant' ? [{ role: 'user' as const, text: '' }, ...spoken] : spoken;
  const turns: { prompt: string; response: string }[] = [];
  for (let at = 0; at < first.length; at += 2)
    turns.push({ prompt: first[at]?.text ?? '', response: first[at + 1]?.text ?? '' });
  return turns;
}
