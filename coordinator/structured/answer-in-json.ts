/**
 * An answer that is JSON: asked for by instruction, and by `format` where an agent can hold its model to it; checked,
 * and given back once to be repaired. Any door may use it, since it knows of a task only how to run one.
 */
import type { Conversation } from '../../protocol/conversation.ts';
import { CcliError } from '../../protocol/errors.ts';
import type { TaskView } from '../../protocol/operation.ts';
import type { Usage } from '../../protocol/task.ts';
import { withoutMiddle } from '../without-middle.ts';
import type { JsonFormat } from './format.ts';

/** What a task has answered. */
export interface Answered {
  readonly text: string;
  readonly completeness?: NonNullable<TaskView['completeness']>;
  readonly usage?: Usage;
}

/** Runs one conversation to its end. @throws CcliError what the task failed with */
export type RunConversation<A extends Answered> = (
  conversation: Conversation,
  round: 'first' | 'repair',
) => Promise<A>;

export type Asked = Pick<Conversation, 'instructions' | 'turns' | 'prompt'>;

/**
 * The last answer, its text the JSON alone, and the usage of both rounds. One that its model has cut short is handed on
 * as it is, for its caller to say so: no repair would be longer.
 *
 * @throws CcliError `invalid_answer`, and whatever `run` and `wanted.check` throw
 */
export async function answerInJson<A extends Answered>(
  asked: Asked,
  wanted: JsonFormat,
  run: RunConversation<A>,
): Promise<Omit<A, 'usage'> & Pick<Answered, 'usage'>> {
  const instructions = [asked.instructions, wanted.instructions]
    .filter(text => text !== undefined)
    .join('\n\n');
  const conversation = { ...asked, instructions, dropped: 0, format: wanted.format };
  const first = await run(conversation, 'first');
  if (first.completeness === 'partial') return first;
  const checked = await wanted.check(first.text);
  if (checked.ok) return { ...first, text: checked.text };

  const bad = { prompt: asked.prompt, response: withoutMiddle(first.text, MAX_BAD_CHARS) };
  const again = { ...conversation, turns: [...asked.turns, bad], prompt: repairOf(checked.wrong) };
  const second = await run(again, 'repair');
  const { usage: own, ...rest } = second;
  const usage = sumOf(first.usage, own);
  const both = { ...rest, ...(usage !== undefined && { usage }) };
  if (second.completeness === 'partial') return both;
  const repaired = await wanted.check(second.text);
  if (repaired.ok) return { ...both, text: repaired.text };
  throw new CcliError(
    'invalid_answer',
    `The answer is not the JSON that was asked for, also after one repair: ${repaired.wrong.join(' ')} Relax the schema or choose another model.`,
  );
}

const repairOf = (wrong: readonly string[]): string =>
  `Your answer is not what was asked for:\n${wrong.map(one => `- ${one}`).join('\n')}\nAnswer again, with the corrected JSON alone.`;

/** Enough to mend it by; a runaway answer would crowd out the rest. */
const MAX_BAD_CHARS = 100_000;

/** Both were paid for: the count of one would be taken for that of both. */
function sumOf(one: Usage | undefined, other: Usage | undefined): Usage | undefined {
  if (one === undefined || other === undefined) return undefined;
  const sum: Usage = {};
  for (const key of ['input_tokens', 'output_tokens', 'total_tokens'] as const) {
    const counts = [one[key], other[key]];
    if (counts.every(count => count !== undefined)) sum[key] = counts.reduce((a, b) => a + b, 0);
  }
  return sum;
}
