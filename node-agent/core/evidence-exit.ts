/** Judges a process that ended without saying why over its protocol. */
import { CcliError } from '../../protocol/errors.ts';

export interface Exit {
  readonly code: number | null;
  readonly signal: string | null;
  /** The last of its stderr. */
  readonly stderr: string;
}

/** What gemini's exit codes say about its set-up; the other codes say nothing certain. */
const GEMINI_SETUP_CODES: Readonly<
  Record<number, () => [ConstructorParameters<typeof CcliError>[0], string]>
> = {
  41: () => [
    'cli_not_signed_in',
    'The CLI is not signed in on the node; set GEMINI_API_KEY there, or sign in.',
  ],
  42: () => ['prompt_empty', 'The CLI saw no prompt; give some text.'],
  52: () => ['config_invalid', 'The CLI cannot read its settings; mend them.'],
  53: () => ['reply_truncated', 'The CLI stopped at its turn limit; raise it in its settings.'],
  55: () => ['config_invalid', 'The CLI does not trust the working directory; check its settings.'],
};

export function judgeGeminiExit(exit: Exit): CcliError {
  const [code, message] = (exit.code === null ? undefined : GEMINI_SETUP_CODES[exit.code]?.()) ?? [];
  return code === undefined ? judgeExit(exit) : new CcliError(code, message, { cause: lastWords(exit) });
}

export function judgeExit(exit: Exit): CcliError {
  const how = exit.signal === null ? `with exit code ${exit.code ?? 'unknown'}` : `by ${exit.signal}`;
  return new CcliError('cli_crashed', `The CLI ended unexpectedly ${how}; its last words are the cause.`, {
    cause: lastWords(exit),
  });
}

/** A long life says some things many times: each is told once. */
function lastWords({ stderr }: Exit): Error {
  const lines = stderr.trim().split('\n');
  const told = lines.filter((line, index) => line !== lines[index - 1]).join('\n');
  return new Error(told.slice(-2_000) || 'nothing on stderr');
}
