/** The first contact with a host: who we are there, that nobody else works on it, and what is known of it. */
import { randomUUID } from 'node:crypto';
import type { SshHost } from '../ssh/ssh.ts';
import { type HostLock, lockHost } from './lock.ts';
import { findUser, type HostPaths, type HostUser, hostPaths } from './paths.ts';
import { type InstallationRecord, readRecord } from './record.ts';
import { createShell, type Shell } from './shell.ts';

export interface OpenSite {
  readonly shell: Shell;
  readonly user: HostUser;
  readonly paths: HostPaths;
  readonly hostname: string;
  readonly found: InstallationRecord | undefined;
  readonly undo_directory: string;
  /** Aborts with the run, and when the lock is lost with its connection. */
  readonly signal: AbortSignal;
  /** Takes the lock again, for a rollback over a new connection. */
  relock(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

export async function openSite(host: SshHost, outer: AbortSignal): Promise<OpenSite> {
  const first = createShell(host, outer);
  const user = await findUser(first);
  const paths = hostPaths(user.home);
  const run_id = randomUUID();
  let lock: HostLock | undefined = await lockHost({ host, shell: first, user, run_id });
  const signal = AbortSignal.any([outer, lock.lost]);
  const close = async (): Promise<void> => {
    const held = lock;
    lock = undefined;
    await held?.release();
  };
  try {
    const shell = createShell(host, signal);
    const hostname = (await shell.run('uname -n')).trim();
    return {
      shell,
      user,
      paths,
      hostname,
      found: await readRecord(shell, paths),
      undo_directory: `${paths.undo}${run_id.slice(0, 8)}`,
      signal,
      async relock(again) {
        if (lock !== undefined && !lock.lost.aborted) return;
        lock = await lockHost({ host, shell: createShell(host, again), user, run_id });
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
