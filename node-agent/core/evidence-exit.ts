/** Judges a process that ended without saying why over its protocol. */
import { CcliError } from '../../protocol/errors.ts';

export interface Exit {
  readonly code: number | null;
  readonly signal: string | null;
  /** The last of its stderr. */
  readonly stderr: string;
  /** It has worked for several tasks: what it said may quote another one's prompt, and is not told to this one. */
  readonly shared?: boolean;
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
  return code === undefined ? judgeExit(exit) : new CcliError(code, message, causeOf(exit));
}

export function judgeExit(exit: Exit): CcliError {
  const how = exit.signal === null ? `with exit code ${exit.code ?? 'unknown'}` : `by ${exit.signal}`;
  const where =
    exit.shared === true
      ? 'its last words are in the log of the node-agent, at level debug'
      : 'its last words are the cause';
  return new CcliError('cli_crashed', `The CLI ended unexpectedly ${how}; ${where}.`, causeOf(exit));
}

function causeOf(exit: Exit): { cause?: Error } {
  if (exit.shared !== true) return { cause: new Error(lastWords(exit.stderr) || 'nothing on stderr') };
  const [fatal] = FATAL.exec(exit.stderr) ?? [];
  return fatal === undefined ? {} : { cause: new Error(fatal) };
}

/** The words of Node itself when it gives up: they quote nobody. */
const FATAL = /^FATAL ERROR: [\w :.()-]{1,200}$/m;

/** A long life says some things many times: each is told once. */
export function lastWords(stderr: string): string {
  const lines = stderr.trim().split('\n');
  return lines
    .filter((line, index) => line !== lines[index - 1])
    .join('\n')
    .slice(-2_000);
}
