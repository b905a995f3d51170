import type { ErrorBody } from '../../../protocol/errors.ts';
import { type Output, safeForTerminal } from '../output.ts';
import { duration } from './quantity.ts';

interface ErrorContext {
  readonly task_id?: string;
  readonly note?: string;
}

/** An error for people: code, sentence, cause, and where to look next. */
export function writeError(stderr: Output, error: ErrorBody, context: ErrorContext = {}): void {
  const { red, bold, dim } = stderr.colors;
  const more = (name: string, text: string): void => {
    stderr.line(`  ${dim(`${name}:`)} ${safeForTerminal(text).replaceAll('\n', '\n  ')}`);
  };
  stderr.freshLine();
  stderr.line(`${red(bold('error'))} ${red(error.code)}: ${safeForTerminal(error.message)}`);
  if (error.cause !== undefined && !error.message.includes(error.cause)) more('cause', error.cause);
  if (error.retry_after_ms !== undefined) more('retry', `in ${duration(error.retry_after_ms)}`);
  if (context.note !== undefined) more('note', context.note);
  if (context.task_id !== undefined) more('task', `${context.task_id} (ccli task show ${context.task_id})`);
}
