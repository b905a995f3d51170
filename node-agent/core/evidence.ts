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
import { z } from 'zod';
import { CcliError } from '../../protocol/errors.ts';
import type { Usage } from '../../protocol/task.ts';
import { judgeServiceFailure } from './evidence-service.ts';
import { judgeTold, judgeWords } from './evidence-told.ts';

export interface Judgement {
  readonly completeness: 'whole' | 'unknown';
  readonly usage?: Usage;
  readonly model?: string;
}

/** Above this, gemini sends nothing to the model and answers with nothing. */
export const GEMINI_MAX_PROMPT_CHARS = 4_400_000;

export interface AcpAnswer {
  readonly stop_reason: string;
  /** Absent where the CLI does not tell. */
  readonly usage?: Usage;
  /** Models that answered, each once, where the CLI tells; empty when none came to its end. */
  readonly models?: readonly string[];
  /** What the CLI last said beside the answer. */
  readonly notice?: string;
  /** It never ends an answer as a whole one that was cut short. */
  readonly tells_cut?: boolean;
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
  const cut = answer.notice === undefined ? undefined : judgeWords(answer.notice);
  if (cut?.code === 'reply_truncated') throw cut;
  if (answer.models?.length === 0 && answer.notice !== undefined) throw judgeTold(answer.notice);
  if (!has_text) throw withoutText(answer);
  if (answer.models?.length === 0) throw truncated();
  const model = answer.models?.at(-1);
  return {
    completeness: answer.tells_cut === true ? 'whole' : 'unknown',
    ...(usage !== undefined && { usage }),
    ...(model !== undefined && { model }),
  };
}

function withoutText({ usage, models, thought, tool_calls, prompt_chars, notice }: AcpAnswer): CcliError {
  if (notice !== undefined) return judgeWords(notice) ?? empty();
  if (models === undefined) return empty();
  if (models.length === 0) return prompt_chars > GEMINI_MAX_PROMPT_CHARS ? tooLarge() : empty();
  // A model that thought or called tools and then fell silent was not filtered: it gave no answer.
  return usage?.output_tokens === 0 && !thought && tool_calls === 0 ? refused() : empty();
}

interface RpcError {
  readonly code: number;
  readonly message: string;
  /** What else the CLI says of it. */
  readonly data?: unknown;
}

/** The kinds of error that claude-agent-acp names, as the HTTP statuses that they stand for. */
const KINDS: Readonly<Record<string, number>> = {
  authentication_failed: 401,
  billing_error: 403,
  invalid_request: 400,
  model_not_found: 404,
  rate_limit: 429,
  server_error: 500,
};

/**
 * What a JSON-RPC error means: gemini passes HTTP statuses on as codes, others tell them in words; -32000 is ACP's
 * "sign in first".
 */
export function judgeRpcError({ code, message, data }: RpcError): CcliError {
  if (code === -32000) {
    return new CcliError(
      'cli_not_signed_in',
      `The CLI is not signed in on the node (${message.slice(0, 500)}).`,
    );
  }
  if (code >= 400 && code < 600) return judgeServiceFailure({ status: code, message });
  const { kind, details } = readData(data);
  const text = details === undefined ? message.replace(/^Internal error: /, '') : details;
  const status = kind === undefined ? undefined : KINDS[kind];
  if (status !== undefined) return judgeServiceFailure({ status, message: text });
  const known = judgeWords(kind === undefined ? text : `${text} (${kind})`);
  if (known !== undefined) return known;
  const said = details === undefined ? message : `${message}: ${details}`;
  return new CcliError('cli_crashed', `The CLI failed inside: ${said.slice(0, 500)} (code ${code}).`);
}

const DataSchema = z.object({
  errorKind: z.string().optional(),
  details: z.string().optional(),
  message: z.string().optional(),
});

function readData(data: unknown): { kind: string | undefined; details: string | undefined } {
  const parsed = DataSchema.safeParse(data).data;
  return { kind: parsed?.errorKind, details: parsed?.details ?? parsed?.message };
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
