/**
 * Whether a node takes new work. An operator's word holds until it is taken back, through any number of restarts; a
 * stopping daemon's holds for the rest of its life.
 */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { CcliError } from '../protocol/errors.ts';
import { createDurably, removeDurably } from './durable-file.ts';

export interface Drain {
  readonly draining: boolean;
  /** Works at once; on disk when it resolves. @throws CcliError `outbox_full` when it cannot be written */
  set(drained: boolean): Promise<void>;
  /** The daemon stops. */
  stop(): void;
}

export async function createDrain(state_dir: string): Promise<Drain> {
  const file = join(state_dir, 'drained');
  let drained = await exists(file);
  let stopping = false;
  let writing: Promise<void> = Promise.resolve();

  const write = async (previous: Promise<void>): Promise<void> => {
    // In order, and each what was wanted last: a late write must not undo a later word.
    await previous.catch(() => undefined);
    try {
      await (drained ? createDurably(file, '') : removeDurably(file));
    } catch (cause) {
      throw new CcliError(
        'outbox_full',
        `That holds until this daemon ends, but ${file} could not be written; see to the disk and ask again.`,
        { cause },
      );
    }
  };

  return {
    get draining() {
      return drained || stopping;
    },
    set(wanted) {
      drained = wanted;
      writing = write(writing);
      return writing;
    },
    stop() {
      stopping = true;
    },
  };
}

async function exists(file: string): Promise<boolean> {
  try {
    await access(file);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false;
    throw error;
  }
}
