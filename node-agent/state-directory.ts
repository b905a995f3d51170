/** The one directory where a node-agent keeps everything, and which it shares with no other. */
import { mkdir } from 'node:fs/promises';
import { type Lock, takeLock } from '../protocol/daemon/lock.ts';
import { CcliError } from '../protocol/errors.ts';

/** Two daemons on one journal would end each other's attempts. */
export async function lockState(directory: string): Promise<Lock> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new CcliError('config_invalid', `The state directory ${directory} cannot be made; set state_dir.`, {
      cause,
    });
  }
  return await takeLock({
    directory,
    name: 'node-agent',
    inUse: ({ pid }) =>
      new CcliError(
        'state_in_use',
        `A node-agent (process ${pid}) works in ${directory} already; stop it, or give this one another state_dir.`,
      ),
  });
}
