/** Ends a process group on a host, over a session of its own. */
import type { ClientChannel } from 'ssh2';
import type { Leader } from './marker.ts';

/** Tenths of a second until what ignores SIGTERM gets SIGKILL, and then until it must be gone. */
const GRACE_TENTHS = 20;
const LAST_TENTHS = 10;

/**
 * Comes back when none of the group is left; with 1 when there still is, for some processes can be ended by nobody, or not
 * by this user. Runs as it is in every login shell, and in every sh: some know no `--` after a signal's name. What has
 * ended and was not collected yet does not count, where `ps` can tell.
 *
 * Between what we know and the kill the group may have ended, and its number have gone to another one: after a restart of
 * the host at the latest. That one is left alone.
 */
export function killCommand(leader: Leader): string {
  const { pid } = leader;
  const group = `-${String(pid)}`;
  const lives =
    `lives() { kill -0 ${group} 2>/dev/null || return 1; all=$(ps -A -o pgid= -o stat= 2>/dev/null) || return 0; ` +
    `echo "$all" | grep -q "^ *${String(pid)} *[^ Z]"; }`;
  const waitFor = (tenths: number): string =>
    `n=0; while [ $n -lt ${String(tenths)} ]; do lives || exit 0; n=$((n+1)); sleep 0.1 || sleep 1; done`;
  return (
    `exec /bin/sh -c '${unlessOurs(leader)}${lives}; kill -TERM ${group} 2>/dev/null; ${waitFor(GRACE_TENTHS)}; ` +
    `kill -KILL ${group} 2>/dev/null; ${waitFor(LAST_TENTHS)}; exit 1'`
  );
}

/** A number is given again only when the whole group has ended; so a leader that is not there was ours. */
function unlessOurs({ pid, birth }: Leader): string {
  if (birth === undefined) return '';
  const { boot, start } = birth;
  return (
    `{ read -r boot </proc/sys/kernel/random/boot_id; read -r stat </proc/${String(pid)}/stat; } 2>/dev/null; ` +
    `[ "\${boot:-${boot}}" = ${boot} ] || exit 0; ` +
    // The name of a process may hold anything, and ends with the last parenthesis.
    `set -- \${stat##*) }; [ $# -eq 0 ] || [ "\${20}" = ${start} ] || exit 0; `
  );
}

/** Resolves with the exit code when the command on this channel has ended; undefined when it was cut off. */
export function ended(channel: ClientChannel): Promise<number | undefined> {
  return new Promise(resolve => {
    channel
      .once('close', (code: number | null | undefined) => {
        resolve(code ?? undefined);
      })
      .resume();
    channel.stderr.resume();
    channel.end();
  });
}
