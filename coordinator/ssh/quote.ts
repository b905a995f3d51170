/**
 * Command lines for a login shell that may be any: sh, bash, zsh, dash, fish, csh.
 *
 * What all of them read alike: plain characters, single quotes around anything but `'`, `\`, `!` and line ends, and a
 * backslash before one of the first three outside of quotes. csh alone takes no line end in an argument at all.
 */

const PLAIN = /^[\w@%+=:,./-]+$/;
const ESCAPED = /(['\\!])/;

export function quote(argument: string): string {
  if (argument === '') return "''";
  // A word that begins with `=` means something to zsh, one with `%` to fish.
  if (PLAIN.test(argument) && !/^[=%]/.test(argument)) return argument;
  return argument
    .split(ESCAPED)
    .filter(part => part !== '')
    .map(part => (ESCAPED.test(part) ? `\\${part}` : `'${part}'`))
    .join('');
}

export const commandLine = (argv: readonly string[]): string => argv.map(quote).join(' ');

/**
 * Says first, on both streams, which process it is, and then becomes the command. The server makes the login shell the
 * leader of a process group of its own, and `exec` keeps it that: so the process is also the group. What a login shell
 * prints by itself comes before that line and can be told from what the command says.
 *
 * Where Linux tells it, the line has the boot of the host and the state of the process too, with the moment it began: by
 * those it is told from a later one of the same number.
 *
 * A channel that was closed meanwhile breaks the first `echo`, and the command never starts.
 */
const BECOME =
  '{ read -r ccli_boot </proc/sys/kernel/random/boot_id; read -r ccli_stat </proc/$$/stat; } 2>/dev/null; ' +
  'echo "$0 $$ $ccli_boot $ccli_stat" || exit 126; echo "$0 $$" >&2; exec "$@"';

/** @param mark not used by anything the host prints */
export const markedCommandLine = (mark: string, argv: readonly string[]): string =>
  `exec /bin/sh -c ${commandLine([BECOME, mark, ...argv])}`;

/**
 * A script for the stdin of `sh`. It is read to its last line before any of it runs: one that broke off on the way does
 * nothing at all.
 */
export const wholeScript = (script: string): string => `{\n${script}\n} </dev/null\n`;
