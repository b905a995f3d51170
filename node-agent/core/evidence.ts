/**
 * Judges how an attempt ended by what was seen of it, never by an exit code or a stop reason alone: gemini reports
 * success for empty, truncated and refused answers. Shapes as observed with gemini 0.61.
 *
 * | seen over ACP, all with `end_turn` | what happened |
 * | --- | --- |
 * | `model_usage: []` and no text | the stream was empty |
 * | `model_usage: []` and text | the stream broke off before its finish reason |
 * | usage, no text, no output tokens, no thoughts | a filter blocked the answer |
 * | text and usage | an answer; whether the token limit cut it short cannot be seen |
 */
import { CcliError } from '../../protocol/errors.ts';
import type { Usage } from '../../protocol/task.ts';
import { judgeServiceFailure } from './evidence-service.ts';

export interface Judgement {
  readonly completeness: 'whole' | 'unknown';
  readonly usage?: Usage;
  readonly model?: string;
}

/** Above this, gemini sends nothing to the model and answers with nothing. */
export const GEMINI_MAX_PROMPT_CHARS = 4_400_000;

export interface AcpAnswer {
  readonly stop_reason: string;
  /** Absent for agents other than gemini, which do not report it. */
  readonly usage?: {
    readonly input_tokens: number;
    readonly output_tokens: number;
    /** Models that answered, each once; empty when none came to its end. */
    readonly models: readonly string[];
  };
  readonly has_text: boolean;
  readonly thought: boolean;
  readonly tool_calls: number;
  readonly prompt_chars: number;
}

/** @throws CcliError `empty_reply`, `reply_truncated`, `safety_refused`, `prompt_too_large`. */
export function judgeAcpAnswer(answer: AcpAnswer): Judgement {
  const { usage, has_text } = answer;
  if (answer.stop_reason === 'refusal') throw refused();
  if (answer.stop_reason === 'max_tokens')
    throw new CcliError('reply_truncated', 'The token limit was reached; ask for a shorter answer.');
  if (answer.stop_reason === 'max_turn_requests') {
    throw new CcliError(
      'reply_truncated',
      'The CLI stopped at its turn limit, or because the model repeated itself.',
    );
  }
  if (answer.stop_reason === 'cancelled')
    throw new CcliError('cli_crashed', 'The CLI ended the prompt by itself, as if it had been cancelled.');
  if (!has_text) throw withoutText(answer);
  if (usage === undefined) return { completeness: 'unknown' };
  if (usage.models.length === 0) throw truncated();
  return {
    completeness: 'unknown',
    usage: {
      input_tokens: usage.input_tokens,
      output_tokens: usage.output_tokens,
      total_tokens: usage.input_tokens + usage.output_tokens,
    },
    ...(usage.models.length > 0 && { model: usage.models.at(-1) ?? '' }),
  };
}

function withoutText({ usage, thought, tool_calls, prompt_chars }: AcpAnswer): CcliError {
  if (usage === undefined) return empty();
  if (usage.models.length === 0) return prompt_chars > GEMINI_MAX_PROMPT_CHARS ? tooLarge() : empty();
  // A model that thought or called tools and then fell silent was not filtered: it gave no answer.
  return usage.output_tokens === 0 && !thought && tool_calls === 0 ? refused() : empty();
}

/** What a JSON-RPC error means: gemini passes HTTP statuses on as codes; -32000 is ACP's "sign in first". */
export function judgeRpcError({
  code,
  message,
}: {
  readonly code: number;
  readonly message: string;
}): CcliError {
  if (code === -32000) {
    return new CcliError(
      'cli_not_signed_in',
      `The CLI is not signed in on the node (${message.slice(0, 500)}).`,
    );
  }
  if (code >= 400 && code < 600) return judgeServiceFailure({ status: code, message });
  return new CcliError('cli_crashed', `The CLI failed inside: ${message.slice(0, 500)} (code ${code}).`);
}

export const empty = (): CcliError =>
  new CcliError('empty_reply', 'The CLI reported success with an empty answer; try again.');
export const truncated = (): CcliError =>
  new CcliError(
    'reply_truncated',
    'The answer broke off: the model service ended it without a finish reason.',
  );
export const refused = (): CcliError =>
  new CcliError(
    'safety_refused',
    'The model gave no text, as when a safety filter blocks it; rephrase the prompt.',
  );
export const tooLarge = (): CcliError =>
  new CcliError(
    'prompt_too_large',
    'The prompt is larger than the gemini CLI takes (about 4.4 million characters).',
  );
