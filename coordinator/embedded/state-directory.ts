/**
 * One fleet a state directory. The lock names its holder and the holder's children: whoever takes over from a holder
 * that was killed first sees its children gone, since they share the store.
 */
import { randomUUID } from 'node:crypto';
import { link, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { CcliError } from '../../protocol/errors.ts';
import { readJson, writeJson } from './atomic-file.ts';
import { killGroup } from './guardian.ts';
import { poll } from './poll.ts';
import { identify } from './process-identity.ts';
import { removeRuntimeFile } from './runtime-file.ts';

const ProcessSchema = z.object({ pid: z.int().positive(), process_start: z.string() });
type KnownProcess = z.infer<typeof ProcessSchema>;

const LockSchema = ProcessSchema.extend({
  /** Of this taking. */
  id: z.string(),
  /** Each leads a process group. */
  children: z.array(ProcessSchema),
});
type Lock = z.infer<typeof LockSchema>;

/** Children of a killed holder notice at once; a node-agent may then drain for half a minute. */
const CHILDREN_GRACE_MS = 40_000;

export interface StateDirectory {
  readonly path: string;
  /** So that a successor knows of it, should we be killed. */
  addChild(pid: number): Promise<void>;
  readonly release: () => Promise<void>;
}

interface TakeOptions {
  readonly onStage: (text: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** @throws CcliError `state_in_use` naming the process that holds the directory; `start_failed` when it cannot be made. */
export async function takeStateDirectory(path: string, options: TakeOptions): Promise<StateDirectory> {
  await makeDirectory(path);
  const lock: Lock = { ...(await known(process.pid)), id: randomUUID(), children: [] };
  const { lock_file, left } = await acquire(path, lock);
  try {
    await seeGone(left, options);
  } catch (error) {
    await rm(lock_file, { force: true });
    throw error;
  }
  await removeRuntimeFile(path);
  return {
    path,
    async addChild(pid) {
      lock.children.push(await known(pid));
      await writeJson(lock_file, lock);
    },
    async release() {
      await removeRuntimeFile(path);
      await rm(lock_file, { force: true });
    },
  };
}

async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new CcliError(
      'start_failed',
      `The state directory ${path} cannot be made. Name another with --state.`,
      {
        cause,
      },
    );
  }
}

const known = async (pid: number): Promise<KnownProcess> => ({
  pid,
  process_start: (await identify(pid)) ?? '',
});

const lives = async ({ pid, process_start }: KnownProcess): Promise<boolean> =>
  (await identify(pid)) === process_start;

interface Acquired {
  readonly lock_file: string;
  /** What children earlier holders left. */
  readonly left: readonly KnownProcess[];
}

/**
 * Lock files are numbered, and each number can be made but once: taking over from a dead holder means making the next
 * one. So no lock is ever removed but by its holder or its successor, however many want it at once.
 */
async function acquire(path: string, lock: Lock): Promise<Acquired> {
  const draft = join(path, `fleet.lock.${lock.id}`);
  await writeJson(draft, lock);
  try {
    for (;;) {
      const stale = await staleLocks(path, lock);
      const lock_file = fileOf(path, Math.max(0, ...stale.map(({ number }) => number)) + 1);
      if (!(await linked(draft, lock_file))) continue;
      await staleLocks(path, lock).catch(async (error: unknown) => {
        await rm(lock_file);
        throw error;
      });
      for (const { number } of stale) await rm(fileOf(path, number), { force: true });
      return { lock_file, left: stale.flatMap(({ children }) => children) };
    }
  } finally {
    await rm(draft, { force: true });
  }
}

const fileOf = (path: string, number: number): string => join(path, `fleet.lock.${number}`);

/** @throws CcliError `state_in_use` when one of the locks there is somebody else's who lives. */
async function staleLocks(
  path: string,
  own: Lock,
): Promise<{ number: number; children: readonly KnownProcess[] }[]> {
  const numbers = (await readdir(path)).flatMap(name => {
    const [, number] = /^fleet\.lock\.(\d+)$/.exec(name) ?? [];
    return number === undefined ? [] : [Number(number)];
  });
  const found = [];
  for (const number of numbers) {
    const lock = await readJson(fileOf(path, number), LockSchema);
    if (lock?.id === own.id) continue;
    if (lock !== undefined && (await lives(lock))) throw inUse(path, lock);
    found.push({ number, children: lock?.children ?? [] });
  }
  return found;
}

/** A link is made whole or not at all, and never over another. */
async function linked(draft: string, lock_file: string): Promise<boolean> {
  try {
    await link(draft, lock_file);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

const inUse = (path: string, holder: Lock): CcliError =>
  new CcliError(
    'state_in_use',
    `A fleet runs in ${path} already (process ${holder.pid}). Talk to it: \`ccli run --state ${path} "..."\`; ` +
      `stop it: \`kill ${holder.pid}\`; or start another beside it: \`ccli up --state DIR\`.`,
  );

/** The children of a killed holder share its store: no successor may start beside them. */
async function seeGone(children: readonly KnownProcess[], { onStage, signal }: TakeOptions): Promise<void> {
  const alive = async (): Promise<KnownProcess[]> => {
    const states = await Promise.all(children.map(lives));
    return children.filter((_, index) => states[index]);
  };
  const gone = async (): Promise<true | undefined> => ((await alive()).length === 0 ? true : undefined);
  if (await gone()) return;
  onStage('waiting for the end of a fleet that was killed');
  const wait = { pause_ms: 20, max_pause_ms: 250, signal };
  if (await poll(gone, { ...wait, timeout_ms: CHILDREN_GRACE_MS })) return;
  for (const { pid } of await alive()) killGroup(pid);
  await poll(gone, { ...wait, timeout_ms: 5_000 });
}
