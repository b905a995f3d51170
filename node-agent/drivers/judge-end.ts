/** Judges how a CLI's process ended by what is known of the CLI: its exit codes and the words it uses. */
import { CcliError } from '../../protocol/errors.ts';
import type { CliAgentConfig } from '../agent-config/cli.ts';
import { type Exit, judgeExit, judgeGeminiExit, lastWords } from '../core/evidence-exit.ts';
import { judgeWords } from '../core/evidence-told.ts';
import { presetOf } from '../presets/effective.ts';
import { notSignedIn, saysSignedOut } from '../presets/sign-in.ts';

/** Without a prompt, for a process that has had none yet, or is `shared`: its words then count for nothing. */
export function judgeEnd(agent: CliAgentConfig, exit: Exit, prompt = ''): CcliError {
  const plain = agent.agent_type === 'cli_gemini' ? judgeGeminiExit(exit) : judgeExit(exit);
  const code = exit.code === null ? undefined : agent.exit_codes[exit.code];
  if (code !== undefined)
    return code === 'cli_not_signed_in'
      ? notSignedIn(agent, plain.cause)
      : new CcliError(code, undefined, { cause: plain.cause });
  if (exit.shared === true) return plain;
  if (endsSignedOut(agent, exit.stderr, prompt)) return notSignedIn(agent, plain.cause);
  const known = presetOf(agent) !== undefined && plain.code === 'cli_crashed';
  return (known ? judgeWords(ownLastLines(exit.stderr, prompt).join('\n')) : undefined) ?? plain;
}

/** Whether the last that it printed says that it is not signed in; of a prompt that says so itself, nothing can be told. */
export const endsSignedOut = (agent: CliAgentConfig, printed: string, prompt: string): boolean =>
  ownLastLines(printed, prompt).some(line => saysSignedOut(agent, line)) && !saysSignedOut(agent, prompt);

const LAST_LINES = 2;
/** A sentence of a CLI's own is short; an answer, or a file that it shows, is not. */
const MAX_LINE_CHARS = 500;
/** Shorter lines of a prompt are found in anything. */
const MIN_QUOTE_CHARS = 6;

/** A CLI says last what went wrong; what comes before may quote the prompt, and so may what comes last. */
function ownLastLines(printed: string, prompt: string): string[] {
  const lines = lastWords(printed)
    .split('\n')
    .filter(line => line.trim() !== '')
    .slice(-LAST_LINES)
    .filter(line => line.length <= MAX_LINE_CHARS);
  if (lines.length === 0 || prompt === '') return lines;
  const asked = prompt.toLowerCase();
  const quotes = asked
    .split('\n')
    .map(line => line.trim())
    .filter(line => line.length >= MIN_QUOTE_CHARS && line.length <= MAX_LINE_CHARS);
  return lines.filter(line => {
    const said = line.trim().toLowerCase();
    return !asked.includes(said) && !quotes.some(quote => said.includes(quote));
  });
}
