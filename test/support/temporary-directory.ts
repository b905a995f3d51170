/** A directory that is gone when its test is. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** Removed when the test that asks for it has finished; in a hook, use `makeTemporaryDirectory`. */
export async function temporaryDirectory(): Promise<string> {
  const { path, remove } = await makeTemporaryDirectory();
  onTestFinished(remove);
  return path;
}

/** For hooks, which must remove it themselves. */
export async function makeTemporaryDirectory(): Promise<{ path: string; remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'ccli-'));
  return {
    path,
    remove: async () => {
      // A process that has just been killed may still be writing its last file.
      await rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    },
  };
}
