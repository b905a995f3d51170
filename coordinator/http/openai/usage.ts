/** Tokens, in the words of either API. */
import type { Usage } from '../../../protocol/task.ts';

interface Counts {
  readonly input: number;
  readonly output: number;
  readonly total: number;
}

/** Undefined when nothing is known: zeros would be taken for counts. */
function countsOf(usage: Usage | undefined): Counts | undefined {
  const { input_tokens, output_tokens, total_tokens } = usage ?? {};
  if (input_tokens === undefined && output_tokens === undefined && total_tokens === undefined)
    return undefined;
  const input = input_tokens ?? Math.max(0, (total_tokens ?? 0) - (output_tokens ?? 0));
  const output = output_tokens ?? Math.max(0, (total_tokens ?? 0) - input);
  return { input, output, total: total_tokens ?? input + output };
}

export function completionUsage(usage: Usage | undefined) {
  const counts = countsOf(usage);
  return counts === undefined
    ? undefined
    : { prompt_tokens: counts.input, completion_tokens: counts.output, total_tokens: counts.total };
}

export function responseUsage(usage: Usage | undefined) {
  const counts = countsOf(usage);
  return counts === undefined
    ? undefined
    : {
        input_tokens: counts.input,
        input_tokens_details: { cached_tokens: 0 },
        output_tokens: counts.output,
        output_tokens_details: { reasoning_tokens: 0 },
        total_tokens: counts.total,
      };
}
