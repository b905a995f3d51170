/** The one directory where a node-agent keeps everything, and which it shares with no other. */
import { mkdir } from 'node:fs/promises';
import { type KnownProcess, type Lock, lockHolder, takeLock } from '../protocol/daemon/lock.ts';
import { CcliError } from '../protocol/errors.ts';

/** Who works in the directory, and who will as soon as that one has made way. */
const WORKS = 'node-agent';
const WAITS = 'node-agent-next';

/** @throws CcliError `config_invalid` */
export async function makeStateDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new CcliError('config_invalid', `The state directory ${directory} cannot be made; set state_dir.`, {
      cause,
    });
  }
}

/** Two daemons on one journal would end each other's attempts. @throws CcliError `config_invalid`, `state_in_use` */
export async function lockState(directory: string): Promise<Lock> {
  await makeStateDirectory(directory);
  return await takeLock({ directory, name: WORKS, inUse: ({ pid }) => stateInUse(directory, pid) });
}

/** For a daemon that waits until a stand-in has made way: there is one of those, too. @throws CcliError `state_in_use` */
export const lockNext = (directory: string): Promise<Lock> =>
  takeLock({ directory, name: WAITS, inUse: ({ pid }) => stateInUse(directory, pid) });

/** Who works in the directory now, or is about to. */
export const stateHolder = async (directory: string): Promise<KnownProcess | undefined> =>
  (await lockHolder(directory, WORKS)) ?? (await lockHolder(directory, WAITS));

export const stateInUse = (directory: string, pid: number): CcliError =>
  new CcliError(
    'state_in_use',
    `A node-agent (process ${pid}) works in ${directory} already; stop it, or give this one another state_dir.`,
  );

/** It may be about to go, or hang: it is not for us to end it, since it may be at work. */
export const stateSilent = (
  directory: string,
  pid: number,
  code: 'start_failed' | 'state_in_use' = 'start_failed',
): CcliError =>
  new CcliError(
    code,
    `Process ${pid} works in ${directory} and answers nothing; look at it (ps -o pid,stat,args -p ${pid}), and end it if it hangs.`,
  );
