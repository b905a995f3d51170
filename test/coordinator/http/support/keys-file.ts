/** A file of API keys that a test can change. */
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';

export interface KeysFile {
  readonly path: string;
  /** As an editor does it: another file takes its place. */
  readonly replace: (text: string) => Promise<void>;
}

export async function keysFile(text: string, mode = 0o600): Promise<KeysFile> {
  const directory = await temporaryDirectory();
  const path = join(directory, 'keys');
  await writeFile(path, text, { mode });
  return {
    path,
    replace: async changed => {
      const draft = join(directory, 'keys.new');
      await writeFile(draft, changed, { mode });
      await rename(draft, path);
    },
  };
}
