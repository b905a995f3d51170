/** `cli_gemini -> cli_qwen -> ollama`: a fallback chain as people write and read it. */
import { InvalidArgumentError } from 'commander';
import { NAME_PATTERN } from '../../protocol/subjects.ts';

const MAX_MEMBERS = 8;
const ARROW_OR_COMMA = /->|→|,/;

export function parseChain(text: string): string[] {
  const members = text.split(ARROW_OR_COMMA).map(member => member.trim());
  const wrong = members.find(member => !NAME_PATTERN.test(member));
  if (wrong !== undefined) {
    throw new InvalidArgumentError(
      `${wrong === '' ? 'A member is missing' : `"${wrong}" is no type or id of an agent`}; write it like "cli_gemini -> cli_qwen -> ollama".`,
    );
  }
  const twice = members.find((member, index) => members.indexOf(member) !== index);
  if (twice !== undefined) throw new InvalidArgumentError(`"${twice}" stands in it twice.`);
  if (members.length > MAX_MEMBERS)
    throw new InvalidArgumentError(`At most ${MAX_MEMBERS} members are possible.`);
  return members;
}

export const chainText = (members: readonly string[]): string => members.join(' -> ');
