/** How much a CLI may print for one prompt, answer or not. */
import { CcliError } from '../../../protocol/errors.ts';
import { MAX_OUTPUT_BYTES } from '../../../protocol/limits.ts';

const MIB = 1024 * 1024;
/** JSON may write one byte as six: "\u0001". */
const ESCAPED = 6;

export interface Budget {
  /** Of all that it prints, on both pipes. */
  readonly bytes: number;
  /** Of one JSON value. */
  readonly value_chars: number;
}

/**
 * Four times the longest answer, because JSON says an answer with much around it; some room for what tools have to say
 * whatever the answer; and the prompt, which some CLIs print before they answer.
 */
export function budgetFor(max_output: number = MAX_OUTPUT_BYTES, prompt: string = ''): Budget {
  const echo = ESCAPED * Buffer.byteLength(prompt);
  return { bytes: 4 * max_output + 32 * MIB + echo, value_chars: 2 * max_output + MIB + echo };
}

/** What came of an answer is kept; where none came, it was no answer that it printed. */
export const overBudget = ({ bytes }: Budget, has_text: boolean): CcliError =>
  new CcliError(
    has_text ? 'output_too_large' : 'cli_garbled',
    `The CLI printed more than ${Math.round(bytes / MIB)} MiB for one prompt and was stopped; check its \`args\`, or raise max_output on the node.`,
  );
