/** Small scripts on a host, with what went wrong there in words and by code. */
import { CcliError, type ErrorCode } from '../../protocol/errors.ts';
import type { RemoteResult, SshHost } from '../ssh/ssh.ts';

export interface Shell {
  readonly host: string;
  readonly signal: AbortSignal;
  /** Stdout of a script that must succeed. @throws CcliError also `remote_command_failed`, `permission_denied`, `disk_full` */
  run(script: string, options?: ScriptOptions): Promise<string>;
  /** A script whose exit code is an answer. */
  ask(script: string, options?: ScriptOptions): Promise<RemoteResult>;
  /** The same host, under another signal. */
  under(signal: AbortSignal): Shell;
}

interface ScriptOptions {
  readonly timeout_ms?: number;
  /** By `sudo -n`; the script then stands in the list of processes: no secrets in it. */
  readonly as_root?: boolean;
}

const TIMEOUT_MS = 30_000;

export function createShell(host: SshHost, signal: AbortSignal): Shell {
  const ask: Shell['ask'] = (script, { timeout_ms = TIMEOUT_MS, as_root = false } = {}) => {
    // `script` is read from stdin: a command in it that reads stdin would eat the rest.
    const whole = `LC_ALL=C; export LC_ALL\nPATH=$PATH:/usr/sbin:/sbin\n{\n${script}\n} </dev/null\n`;
    const said = as_root ? asRoot(whole) : whole;
    return host.run({ script: said }, { signal, timeout_ms });
  };
  return {
    host: host.name,
    signal,
    ask,
    async run(script, options) {
      const result = await ask(`set -eu\n${script}`, options);
      if (result.code === 0) return result.stdout;
      throw scriptFailed(host.name, result);
    },
    under: other => createShell(host, other),
  };
}

const asRoot = (script: string): string =>
  `script=${quote(script)}\nif [ "$(id -u)" = 0 ]; then sh -c "$script"; else sudo -n sh -c "$script"; fi </dev/null\n`;

/** A word that a POSIX shell reads as it stands. */
export const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

const CAUSES: readonly (readonly [RegExp, ErrorCode])[] = [
  [/No space left on device|[Qq]uota exceeded/, 'disk_full'],
  [
    /Permission denied|Operation not permitted|Read-only file system|a password is required/,
    'permission_denied',
  ],
];

function scriptFailed(host: string, { code, signal, stderr }: RemoteResult): CcliError {
  const last = lastLines(stderr, 3);
  const how = signal === undefined ? `exit code ${code ?? 'unknown'}` : `ended by ${signal}`;
  const found = CAUSES.find(([pattern]) => pattern.test(stderr))?.[1] ?? 'remote_command_failed';
  return new CcliError(found, `${host} says: ${last === '' ? how : last}`);
}

export const lastLines = (text: string, count: number): string =>
  text
    .trimEnd()
    .split('\n')
    .slice(-count)
    .map(line => (line.length > 400 ? `${line.slice(0, 399)}…` : line))
    .join('\n');
