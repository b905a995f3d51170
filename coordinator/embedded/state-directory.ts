/**
 * One fleet a state directory. The lock names its holder and the holder's children: whoever takes over from a holder
 * that was killed first sees its children gone, since they share the store.
 */
import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type KnownProcess, lives, takeLock } from '../../protocol/daemon/lock.ts';
import { CcliError } from '../../protocol/errors.ts';
import { killGroup } from './guardian.ts';
import { poll } from './poll.ts';
import { removeRuntimeFile } from './runtime-file.ts';

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

/** @throws CcliError `state_in_use` naming the process that holds the directory; `config_invalid` when it cannot be made. */
export async function takeStateDirectory(path: string, options: TakeOptions): Promise<StateDirectory> {
  await makeDirectory(path);
  const lock = await takeLock({ directory: path, name: 'fleet', inUse: holder => inUse(path, holder) });
  try {
    await seeGone(lock.left, options);
  } catch (error) {
    await lock.release();
    throw error;
  }
  await removeRuntimeFile(path);
  return {
    path,
    addChild: lock.addChild,
    async release() {
      await removeRuntimeFile(path);
      await lock.release();
    },
  };
}

async function makeDirectory(path: string): Promise<void> {
  try {
    await makeWithParents(path);
  } catch (cause) {
    throw new CcliError(
      'config_invalid',
      `The state directory ${path} cannot be made. Name another with --state.`,
      { cause },
    );
  }
}

/** Step by step: Node's own recursive mkdir never ends, and cannot be interrupted, where /proc refuses a directory. */
async function makeWithParents(path: string): Promise<void> {
  if (await isDirectory(path)) return;
  const parent = dirname(path);
  if (parent !== path) await makeWithParents(parent);
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    // Somebody else may have made it meanwhile.
    if (!(await isDirectory(path))) throw error;
  }
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false;
    throw error;
  }
}

const inUse = (path: string, holder: KnownProcess): CcliError =>
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
