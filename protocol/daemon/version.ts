/** The version of this package, read once from its own package.json. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';

/** From the source tree the file is two folders up, from the built tree three. */
function readVersion(): string {
  for (const path of ['../../package.json', '../../../package.json']) {
    try {
      const found = z
        .object({ name: z.literal('ccli'), version: z.string() })
        .safeParse(JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')));
      if (found.success) return found.data.version;
    } catch {
      // Not in this tree: look in the other one.
    }
  }
  throw new Error('package.json of ccli is missing; install it again');
}

export const VERSION = readVersion();
