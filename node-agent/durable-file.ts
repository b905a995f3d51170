/** Files that are on disk, and stay there through a power cut, once the promise has resolved. */
import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/** A half-written file has this ending; whoever finds one after a kill may remove it. */
export const DRAFT = '.draft';

/** Whole or not there at all, whatever happens meanwhile. */
export async function replaceDurably(target: string, content: Uint8Array | string): Promise<void> {
  const draft = `${target}${DRAFT}`;
  const file = await open(draft, 'w', 0o600);
  try {
    await file.writeFile(content);
    await file.datasync();
  } finally {
    await file.close();
  }
  await rename(draft, target);
  await syncDirectory(dirname(target));
}

/** For a file that says enough by being there: one cut short by a crash reads as damaged. */
export async function createDurably(target: string, content: Uint8Array | string): Promise<void> {
  const file = await open(target, 'w', 0o600);
  try {
    await file.writeFile(content);
    await Promise.all([file.datasync(), syncDirectory(dirname(target))]);
  } finally {
    await file.close();
  }
}

export async function removeDurably(target: string): Promise<void> {
  await rm(target, { force: true });
  await syncDirectory(dirname(target));
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
