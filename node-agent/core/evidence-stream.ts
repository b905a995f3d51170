/** Judges a headless gemini by the events it printed (`-o stream-json`), its exit code and its stderr. */
import { z } from 'zod';
import { CcliError } from '../../protocol/errors.ts';
import { empty, GEMINI_MAX_PROMPT_CHARS, type Judgement, refused, tooLarge, truncated } from './evidence.ts';
import { type Exit, judgeGeminiExit } from './evidence-exit.ts';
import { judgeServiceFailure } from './evidence-service.ts';

const TokensSchema = z.object({
  input_tokens: z.int().nonnegative().optional(),
  output_tokens: z.int().nonnegative().optional(),
  total_tokens: z.int().nonnegative().optional(),
});

/** One line of its stdout. Events and fields we do not use pass unread. */
export const StreamEventSchema = z.union([
  z.object({ type: z.literal('init'), model: z.string().optional() }),
  z.object({ type: z.literal('message'), role: z.string(), content: z.string() }),
  z.object({ type: z.literal('error'), severity: z.string().optional(), message: z.string() }),
  z.object({
    type: z.literal('result'),
    status: z.string(),
    error: z.object({ message: z.string() }).optional(),
    stats: TokensSchema.extend({ models: z.record(z.string(), z.unknown()).optional() }).optional(),
  }),
  z.object({ type: z.string() }).transform(() => ({ type: 'other' as const })),
]);
export type StreamEvent = z.infer<typeof StreamEventSchema>;
type ResultEvent = Extract<StreamEvent, { type: 'result' }>;

export interface StreamAnswer {
  readonly result: ResultEvent | undefined;
  /** Messages of its `error` events. */
  readonly errors: readonly string[];
  readonly has_text: boolean;
  readonly exit: Exit;
  readonly prompt_chars: number;
}

/** @throws CcliError whatever the evidence says went wrong. */
export function judgeStreamAnswer(answer: StreamAnswer): Judgement {
  const { result, has_text } = answer;
  if (result?.status !== 'success') throw failed(answer);
  const models = Object.keys(result.stats?.models ?? {});
  if (!has_text)
    throw models.length === 0 && answer.prompt_chars > GEMINI_MAX_PROMPT_CHARS ? tooLarge() : empty();
  if (answer.errors.length > 0) throw withError(answer.errors, has_text);
  const { input_tokens, output_tokens, total_tokens } = result.stats ?? {};
  return {
    // The token limit leaves no mark on an answer that it cuts short.
    completeness: 'unknown',
    usage: {
      ...(input_tokens !== undefined && { input_tokens }),
      ...(output_tokens !== undefined && { output_tokens }),
      ...(total_tokens !== undefined && { total_tokens }),
    },
    ...(models.length > 0 && { model: models.at(-1) ?? '' }),
  };
}

function failed(answer: StreamAnswer): CcliError {
  const { result, errors, exit, has_text } = answer;
  const status = httpStatus(exit.code);
  if (result?.error !== undefined || status !== undefined) {
    const message = result?.error?.message ?? lastError(exit.stderr);
    // The exit code of an unknown model is 1: its name stands on stderr alone.
    const named = exit.stderr.includes('ModelNotFoundError') ? `${message} (ModelNotFoundError)` : message;
    return judgeServiceFailure({ status, message: named, aside: exit.stderr });
  }
  if (errors.length > 0) return withError(errors, has_text);
  if (exit.code === 0 && exit.signal === null) {
    return new CcliError('reply_truncated', 'The CLI ended before it reported a result.');
  }
  return judgeGeminiExit(exit);
}

/** HTTP errors come out as the status's low byte: 400 is 144, 503 is 247. */
const httpStatus = (exit_code: number | null): number | undefined =>
  exit_code !== null && exit_code >= 144 && exit_code <= 255 ? exit_code + 256 : undefined;

function withError(errors: readonly string[], has_text: boolean): CcliError {
  const message = errors.join(' ');
  if (/safety|recitation|blocked/i.test(message)) return refused();
  if (/without a finish reason/i.test(message) && !has_text) return empty();
  if (!has_text) return new CcliError('empty_reply', `The CLI gave no answer: ${message}`);
  return /without a finish reason/i.test(message)
    ? truncated()
    : new CcliError('reply_truncated', `The answer broke off: ${message}`);
}

/** The CLI's last words that look like an error. */
const lastError = (stderr: string): string =>
  stderr
    .slice(Math.max(0, stderr.lastIndexOf('{"error"')))
    .trim()
    .slice(0, 4_000) || 'no reason given';
