/** What a stream of `/api/chat` says, line by line, and what came of it in the end. */
import { z } from 'zod';
import { CcliError } from '../../../protocol/errors.ts';
import type { Generation } from '../../../protocol/generation.ts';
import type { Usage } from '../../../protocol/task.ts';
import type { DriverResult } from '../driver.ts';
import { errorOf, parseJson } from './reply.ts';

const CountSchema = z.int().nonnegative().optional().catch(undefined);

const ChatLineSchema = z.object({
  message: z.object({ content: z.string().default('') }).optional(),
  done: z.boolean(),
  /** `stop`, or `length` when the answer was cut; servers of before 2024 do not tell. */
  done_reason: z.string().optional(),
  /** Nanoseconds. */
  load_duration: z.number().nonnegative().optional().catch(undefined),
  prompt_eval_count: CountSchema,
  eval_count: CountSchema,
});
export type ChatLine = z.infer<typeof ChatLineSchema>;

/** A line is part of an answer, or an error that ends it. */
export type Said = { readonly line: ChatLine } | { readonly error: string };

/** @throws CcliError `cli_garbled`. */
export function readLine(text: string): Said {
  const value = parseJson(text);
  const parsed = ChatLineSchema.safeParse(value);
  if (parsed.success) return { line: parsed.data };
  const error = errorOf(value);
  if (error !== undefined) return { error };
  throw new CcliError('cli_garbled', 'What answered is not Ollama; check the endpoint of the agent.', {
    cause: new Error(text.slice(0, 200)),
  });
}

interface Ended {
  readonly last: ChatLine;
  readonly has_text: boolean;
  readonly agent_id: string;
  readonly model: string;
  /** Tokens the model holds at once, where that is known. */
  readonly context_length: number | undefined;
  /** What the task itself wants of the sampling. */
  readonly generation: Generation | undefined;
}

export interface Judged {
  readonly completeness: DriverResult['completeness'];
  readonly empty_as_asked?: true;
  readonly usage?: Usage;
  readonly load_ms?: number;
}

/**
 * @throws CcliError `context_too_long`, from a server that shortens prompts in silence; `reply_truncated` when the limit
 *   was reached before a word of the answer, and the task has set none. Any other empty answer is left for the caller to judge.
 */
export function judgeEnd({ last, has_text, context_length = Infinity, ...about }: Ended): Judged {
  const { agent_id, model } = about;
  const { done_reason, prompt_eval_count = 0, eval_count = 0, load_duration } = last;
  // A server of before `truncate` cuts a prompt to just that length (measured: 256 of 256), without a word.
  if (prompt_eval_count === context_length)
    throw new CcliError(
      'context_too_long',
      `The prompt is longer than the ${context_length} tokens of context of "${model}", and Ollama left a part of it out; shorten it, or raise num_ctx in the options of agent "${agent_id}".`,
    );
  const asked = isEndAsked(done_reason, about.generation);
  if (done_reason === 'length' && !has_text && !asked)
    throw new CcliError(
      'reply_truncated',
      `"${model}" was cut off after ${eval_count} tokens, before it answered; raise num_predict or num_ctx in the options of agent "${agent_id}".`,
    );
  // Past its context a model goes on without the beginning of the conversation, and says nothing of it. The last token
  // of an answer is not part of it yet.
  const within = prompt_eval_count + eval_count <= context_length + 1;
  return {
    completeness:
      done_reason === 'length' ? 'partial' : done_reason === 'stop' && within ? 'whole' : 'unknown',
    ...(asked && !has_text && { empty_as_asked: true }),
    ...usageOf(last),
    ...(load_duration !== undefined && { load_ms: Math.round(load_duration / 1e6) }),
  };
}

/** Whether the answer ends where its task wants it to, which may be before its first word. */
const isEndAsked = (done_reason: string | undefined, { max_tokens, stop = [] }: Generation = {}): boolean =>
  (done_reason === 'length' && max_tokens !== undefined) || (done_reason === 'stop' && stop.length > 0);

function usageOf({ prompt_eval_count, eval_count }: ChatLine): { usage?: Usage } {
  if (prompt_eval_count === undefined && eval_count === undefined) return {};
  return {
    usage: {
      ...(prompt_eval_count !== undefined && { input_tokens: prompt_eval_count }),
      ...(eval_count !== undefined && { output_tokens: eval_count }),
      ...(prompt_eval_count !== undefined &&
        eval_count !== undefined && { total_tokens: prompt_eval_count + eval_count }),
    },
  };
}
