/** A directory that is there whole or not at all, for its owner's eyes only: a backup holds prompts and answers. */
import { createHash } from 'node:crypto';
import { lstat, mkdir, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { CcliError } from '../../protocol/errors.ts';

export interface WrittenFile {
  readonly bytes: number;
  readonly sha256: string;
}

export interface Draft {
  /** Writes what `fill` hands over, piece by piece, and syncs it. */
  write(
    name: string,
    fill: (append: (piece: Uint8Array) => Promise<void>) => Promise<void>,
  ): Promise<WrittenFile>;
  /** Gives it its name. */
  publish(): Promise<void>;
  discard(): Promise<void>;
}

/** @throws CcliError `invalid_request` when the target is there already; `output_failed` when it cannot be made. */
export async function createDraft(target: string): Promise<Draft> {
  const path = resolve(target);
  await refuseExisting(path);
  const draft = join(dirname(path), `.${basename(path)}.draft-${process.pid}`);
  await told(path, () => mkdir(draft, { mode: 0o700 }));
  return {
    write: (name, fill) => writeFile(join(draft, name), path, fill),
    async publish() {
      await told(path, () => sync(draft));
      await refuseExisting(path);
      await told(path, async () => {
        await rename(draft, path);
        await sync(dirname(path));
      });
    },
    discard: () => rm(draft, { recursive: true, force: true }),
  };
}

async function refuseExisting(path: string): Promise<void> {
  try {
    await lstat(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return;
    throw notWritten(path, error);
  }
  throw new CcliError('invalid_request', `${path} is there already; name a directory that is not.`);
}

async function writeFile(
  file: string,
  target: string,
  fill: (append: (piece: Uint8Array) => Promise<void>) => Promise<void>,
): Promise<WrittenFile> {
  const handle = await told(target, () => open(file, 'wx', 0o600));
  const hash = createHash('sha256');
  let bytes = 0;
  try {
    await fill(async piece => {
      await told(target, () => handle.appendFile(piece));
      hash.update(piece);
      bytes += piece.byteLength;
    });
    await told(target, () => handle.sync());
  } finally {
    await handle.close();
  }
  return { bytes, sha256: hash.digest('hex') };
}

async function sync(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function told<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw notWritten(path, error);
  }
}

const notWritten = (path: string, cause: unknown): CcliError =>
  new CcliError(
    'output_failed',
    `The backup cannot be written to ${path}; free some room or name another place.`,
    {
      cause,
    },
  );
