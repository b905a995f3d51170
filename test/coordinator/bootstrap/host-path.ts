/** What a host finds on its PATH. */
import { chmod, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

/** A PATH of its own that holds what the system has, without some of it. */
export async function toolsWithout(gone: readonly string[], kept?: string): Promise<string> {
  const bin = await temporaryDirectory();
  const names = new Map<string, string>();
  for (const directory of ['/usr/bin', '/bin'])
    for (const name of await readdir(directory)) names.set(name, join(directory, name));
  for (const [name, path] of names)
    if (!gone.includes(name) || name === kept) await symlink(path, join(bin, name));
  return bin;
}

/** Programs that say what another host's would, before those of this one. */
export async function fakes(programs: Readonly<Record<string, string>>): Promise<string> {
  const bin = await temporaryDirectory();
  for (const [name, script] of Object.entries(programs)) {
    await writeFile(join(bin, name), `#!/bin/sh\n${script}\n`);
    await chmod(join(bin, name), 0o755);
  }
  return `${bin}:/usr/bin:/bin`;
}
