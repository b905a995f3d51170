/**
 * What a script on a host says by `say KEY VALUE`. Only lines with this run's mark count: whatever the start-up files of
 * the login shell print is passed over.
 */
import { randomBytes } from 'node:crypto';
import { CcliError } from '../../protocol/errors.ts';
import { quote, type Shell } from './shell.ts';

export interface Answers {
  /** The last word on it; undefined when nothing, or nothing but blanks, was said. */
  readonly one: (key: string) => string | undefined;
  readonly all: (key: string) => readonly string[];
  /** `yes` */
  readonly is: (key: string) => boolean;
}

interface AskOptions {
  readonly timeout_ms?: number;
  /** Shell variables that the script uses. */
  readonly values?: Readonly<Record<string, string>>;
}

const END = 'end';

/**
 * @throws CcliError those of `Shell.run`; `remote_command_failed` when the script was cut short. `set +e` in a script keeps
 *   it going over failures
 */
export async function askHost(shell: Shell, script: string, options: AskOptions = {}): Promise<Answers> {
  const { timeout_ms, values = {} } = options;
  const mark = `ccli-${randomBytes(8).toString('hex')}:`;
  const variables = Object.entries(values).map(([name, value]) => `${name}=${quote(value)}`);
  const whole = [
    ...variables,
    `line_end='\n'`,
    // A value of several lines would be taken for the next answer.
    `say() {
  said=\${2-}
  case $said in *"$line_end"*) said=$(printf '%s' "$said" | tr '\\n' ' ') ;; esac
  printf '\\n${mark}%s=%s\\n' "$1" "$said"
}`,
    script,
    `say ${END} yes`,
  ].join('\n');
  const stdout = await shell.run(whole, timeout_ms === undefined ? {} : { timeout_ms });
  const answers = readAnswers(stdout, mark);
  if (!answers.is(END))
    throw new CcliError(
      'remote_command_failed',
      `The shell of ${shell.host} did not run a check to its end; does \`ssh ${shell.host} sh\` work?`,
    );
  return answers;
}

function readAnswers(stdout: string, mark: string): Answers {
  const said = new Map<string, string[]>();
  for (const line of stdout.split('\n')) {
    if (!line.startsWith(mark)) continue;
    const at = line.indexOf('=');
    const key = line.slice(mark.length, at);
    const value = line.slice(at + 1).trim();
    said.set(key, [...(said.get(key) ?? []), value]);
  }
  const all = (key: string): readonly string[] => (said.get(key) ?? []).filter(value => value !== '');
  return { all, one: key => all(key).at(-1), is: key => all(key).at(-1) === 'yes' };
}
