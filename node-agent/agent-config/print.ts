/** How a CLI with a print mode takes its prompt and gives its answer. */
import { z } from 'zod';
import { VALUE_PATH } from '../core/value-at.ts';

const ValuePathSchema = z
  .string()
  .regex(VALUE_PATH, 'names and numbers with dots between them, such as "message.content.0.text"');

/** What an exit code may be said to mean. */
const EXIT_CODES = [
  'auth_refused',
  'cli_not_signed_in',
  'config_invalid',
  'context_too_long',
  'empty_reply',
  'model_not_found',
  'model_rejected',
  'model_unavailable',
  'prompt_empty',
  'prompt_too_large',
  'quota_exhausted',
  'rate_limited',
  'reply_truncated',
  'safety_refused',
] as const;

export const printShape = {
  /** `file`: a file that only the daemon's user can read, whose path stands for `{prompt_file}` in `args`. */
  prompt: z.enum(['stdin', 'file']).optional(),
  /** `json`: one JSON document, or one JSON value a line. */
  output: z.enum(['text', 'json']).optional(),
  /** Where the answer is in what it prints. */
  answer: ValuePathSchema.optional(),
  /** Of several values that have one: the last answer counts, or all of them one after another. */
  answers: z.enum(['last', 'all']).optional(),
  /** Where an error is: a text, or `true` when the answer's text is one. */
  error: ValuePathSchema.optional(),
  /** Where an object with token counts is. */
  usage: ValuePathSchema.optional(),
  /** What its exit codes mean, where they mean more than that it failed. */
  exit_codes: z.record(z.string(), z.enum(EXIT_CODES)).default({}),
};
