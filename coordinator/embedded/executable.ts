/** Finding programs without starting any. */
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import type { Environment } from '../../protocol/daemon/settings.ts';
import { valueOf } from './environment.ts';

export async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    // Absent, out of reach or not executable: all the same to whoever wants to run it.
    return false;
  }
}

export async function findOnPath(name: string, environment: Environment): Promise<string | undefined> {
  for (const directory of (valueOf(environment, 'PATH') ?? '').split(delimiter)) {
    if (directory === '') continue;
    const path = join(directory, name);
    if (await isExecutable(path)) return path;
  }
  return undefined;
}
