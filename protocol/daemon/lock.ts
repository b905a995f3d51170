/** A directory for one process at a time. The lock names its holder, so that one left by a killed holder counts for nothing. */
import { randomUUID } from 'node:crypto';
import { link, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { readJson, writeJson } from './atomic-file.ts';
import { identify } from './process-identity.ts';

export const ProcessSchema = z.object({ pid: z.int().positive(), process_start: z.string() });
export type KnownProcess = z.infer<typeof ProcessSchema>;

const LockSchema = ProcessSchema.extend({
  /** Of this taking. */
  id: z.string(),
  /** Processes that the holder has started and that must be gone before anybody follows it. */
  children: z.array(ProcessSchema),
});
type LockRecord = z.infer<typeof LockSchema>;

export interface Lock {
  /** What children earlier holders left. */
  readonly left: readonly KnownProcess[];
  readonly addChild: (pid: number) => Promise<void>;
  readonly release: () => Promise<void>;
}

interface LockOptions {
  readonly directory: string;
  /** Locks of different names in one directory do not meet. */
  readonly name: string;
  readonly inUse: (holder: KnownProcess) => Error;
}

/**
 * Lock files are numbered, and each number can be made but once: taking over from a dead holder means making the next
 * one. So no lock is ever removed but by its holder or its successor, however many want it at once.
 *
 * @throws what `inUse` makes of a holder that lives
 */
export async function takeLock(options: LockOptions): Promise<Lock> {
  const { directory, name } = options;
  const own: LockRecord = { ...(await known(process.pid)), id: randomUUID(), children: [] };
  const fileOf = (number: number): string => join(directory, `${name}.lock.${number}`);
  const draft = join(directory, `${name}.lock.${own.id}`);
  await writeJson(draft, own);
  try {
    for (;;) {
      const stale = await staleLocks(options, own.id, fileOf);
      const file = fileOf(Math.max(0, ...stale.map(({ number }) => number)) + 1);
      if (!(await linked(draft, file))) continue;
      await staleLocks(options, own.id, fileOf).catch(async (error: unknown) => {
        await rm(file);
        throw error;
      });
      for (const { number } of stale) await rm(fileOf(number), { force: true });
      return {
        left: stale.flatMap(({ children }) => children),
        async addChild(pid) {
          own.children.push(await known(pid));
          await writeJson(file, own);
        },
        release: () => rm(file, { force: true }),
      };
    }
  } finally {
    await rm(draft, { force: true });
  }
}

/** Who holds a lock now, without taking part in who gets it next. */
export async function lockHolder(directory: string, name: string): Promise<KnownProcess | undefined> {
  for (const number of await numbersOf(directory, name)) {
    const lock = await readJson(join(directory, `${name}.lock.${number}`), LockSchema);
    if (lock !== undefined && (await lives(lock))) return lock;
  }
  return undefined;
}

export const lives = async ({ pid, process_start }: KnownProcess): Promise<boolean> =>
  (await identify(pid)) === process_start;

const known = async (pid: number): Promise<KnownProcess> => ({
  pid,
  process_start: (await identify(pid)) ?? '',
});

async function staleLocks(
  { directory, name, inUse }: LockOptions,
  own_id: string,
  fileOf: (number: number) => string,
): Promise<{ number: number; children: readonly KnownProcess[] }[]> {
  const found = [];
  for (const number of await numbersOf(directory, name)) {
    const lock = await readJson(fileOf(number), LockSchema);
    if (lock?.id === own_id) continue;
    if (lock !== undefined && (await lives(lock))) throw inUse(lock);
    found.push({ number, children: lock?.children ?? [] });
  }
  return found;
}

async function numbersOf(directory: string, name: string): Promise<number[]> {
  const prefix = `${name}.lock.`;
  return (await readdir(directory))
    .filter(file => file.startsWith(prefix))
    .map(file => file.slice(prefix.length))
    .filter(rest => /^\d+$/.test(rest))
    .map(Number);
}

/** A link is made whole or not at all, and never over another. */
async function linked(draft: string, file: string): Promise<boolean> {
  try {
    await link(draft, file);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}
