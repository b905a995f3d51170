import { ERRORS, type ErrorBody } from '../../../protocol/errors.ts';
import { fail, ok, rowOf, type Verdict, warn } from '../../../protocol/finding.ts';
import type { PromptResult } from '../prompts/tiny-prompt.ts';

const RATE = 8;
export const isRateLimit = ({ code }: Pick<ErrorBody, 'code'>): boolean => ERRORS[code].exit === RATE;

export const seconds = (ms: number): string =>
  ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;

export function judgePrompt(agent_id: string, result: PromptResult): Verdict {
  const { took_ms } = result;
  if (result.ended === 'completed') {
    const first =
      result.first_chunk_ms === undefined ? '' : `, the first words after ${seconds(result.first_chunk_ms)}`;
    return ok(`A test prompt was answered in ${seconds(took_ms)}${first}.`, { agent_id, took_ms });
  }
  const { error } = result;
  const [meaning, advice] = rowOf(error.code);
  const says = `The test prompt failed: ${error.message === ERRORS[error.code].says ? meaning : error.message}`;
  const make = isRateLimit(error) ? warn : fail;
  return make(says, advice, { agent_id, code: error.code, took_ms });
}
