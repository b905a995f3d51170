/** Ends a process group on a host, over a session of its own. */
import type { ClientChannel } from 'ssh2';

/** Tenths of a second until what ignores SIGTERM gets SIGKILL. */
const GRACE_TENTHS = 20;

/**
 * Comes back when none of the group is left: its SIGKILL cannot be ignored. Runs as it is in every login shell.
 *
 * @param pid of the leader of the group
 */
export const killCommand = (pid: number): string => {
  const group = `-- -${String(pid)}`;
  return (
    `exec /bin/sh -c 'kill -TERM ${group} 2>/dev/null || exit 0; n=0; ` +
    `while kill -0 ${group} 2>/dev/null && [ $n -lt ${String(GRACE_TENTHS)} ]; do n=$((n+1)); sleep 0.1 || sleep 1; done; ` +
    `kill -KILL ${group} 2>/dev/null; exit 0'`
  );
};

/** Resolves when the command on this channel has ended. */
export function ended(channel: ClientChannel): Promise<void> {
  return new Promise(resolve => {
    channel.once('close', resolve).resume();
    channel.stderr.resume();
    channel.end();
  });
}
