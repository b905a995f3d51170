/** Files that are seen whole or not at all. */
import { readFile, rename, writeFile } from 'node:fs/promises';
import type { z } from 'zod';

export async function writeJson(path: string, value: unknown): Promise<void> {
  const draft = `${path}.${process.pid}`;
  await writeFile(draft, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
  await rename(draft, path);
}

/** Undefined when the file is absent or holds something else. */
export async function readJson<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> {
  try {
    const result = schema.safeParse(JSON.parse(await readFile(path, 'utf8')));
    return result.success ? result.data : undefined;
  } catch {
    // Absent, or cut short by a crash: nothing that can be relied on either way.
    return undefined;
  }
}
