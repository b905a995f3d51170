/**
 * A disk that can lose its power: an ext4 file system in a file, mounted by loop. Mounting takes root, and not every
 * machine lets even root do it.
 */
import { execFile } from 'node:child_process';
import { copyFile, mkdir, open, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';
import { temporaryDirectory } from './temporary-directory.ts';
import { waitFor } from './wait.ts';

const run = promisify(execFile);

export interface Disk {
  /** Where it is mounted. */
  readonly path: string;
  /**
   * What the disk holds at this moment and nothing of what is only in memory, mounted as a disk of its own. Whoever
   * writes must be stopped or frozen first: a disk whose power fails does not change while one looks at it.
   */
  readonly cutPower: () => Promise<Disk>;
}

const SIZE_BYTES = 512 * 1024 * 1024;
const COPIES = 10;
/** The journal is committed when somebody asks for it, and not every five seconds by itself. */
const MOUNT_OPTIONS = 'loop,commit=300';
const UNSYNCED = 'never-synced';

/** A skip's reason where there can be no such disk; undefined where there can. */
export async function whyNoDisk(): Promise<string | undefined> {
  const directory = await temporaryDirectory();
  const image = join(directory, 'probe.img');
  try {
    await makeFileSystem(image, 16 * 1024 * 1024);
  } catch (error) {
    return `needs mkfs.ext4: the disk of a power cut is made with it (${reasonOf(error)})`;
  }
  try {
    await run('mount', ['-o', MOUNT_OPTIONS, image, directory]);
  } catch (error) {
    return `needs permission-to-mount: a power cut is tried on a disk image (${reasonOf(error)})`;
  }
  await unmount(directory);
  return undefined;
}

/** Unmounted, and its loop device gone, when the test that asks for it has finished. */
export async function testDisk(): Promise<Disk> {
  const image = join(await temporaryDirectory(), 'disk.img');
  await makeFileSystem(image, SIZE_BYTES);
  return await mountImage(image);
}

async function makeFileSystem(image: string, bytes: number): Promise<void> {
  await writeFile(image, '');
  await truncate(image, bytes);
  await run('mkfs.ext4', ['-q', '-F', image]);
}

/** Mounting replays the journal. */
async function mountImage(image: string): Promise<Disk> {
  const path = `${image}.mounted`;
  await mkdir(path);
  await run('mount', ['-o', MOUNT_OPTIONS, image, path]);
  // The loop device goes with the mount.
  onTestFinished(() => unmount(path));
  return {
    path,
    async cutPower() {
      // What proves that the copy is no clean one: it was written, and nobody asked for it to be kept.
      await writeFile(join(path, UNSYNCED), 'in memory only');
      const copy = join(await temporaryDirectory(), 'disk.img');
      await copyUnchanged(image, copy);
      const disk = await mountImage(copy);
      const kept = await stat(join(disk.path, UNSYNCED)).then(
        () => true,
        () => false,
      );
      if (kept) throw new Error('the copy holds what was never synced: this was no power cut');
      return disk;
    },
  };
}

/** The kernel may write to the disk while it is being copied: then the copy is of no single moment, and made again. */
async function copyUnchanged(image: string, copy: string): Promise<void> {
  for (let round = 0; round < COPIES; round += 1) {
    await copyFile(image, copy);
    if (await isSame(image, copy)) return;
  }
  throw new Error('the disk kept changing; freeze whoever writes to it');
}

async function isSame(one: string, other: string): Promise<boolean> {
  const chunk = 4 * 1024 * 1024;
  const [a, b] = await Promise.all([open(one), open(other)]);
  try {
    const buffers = [Buffer.alloc(chunk), Buffer.alloc(chunk)] as const;
    for (let at = 0; ; at += chunk) {
      const [left, right] = await Promise.all([
        a.read(buffers[0], 0, chunk, at),
        b.read(buffers[1], 0, chunk, at),
      ]);
      if (left.bytesRead !== right.bytesRead) return false;
      if (left.bytesRead === 0) return true;
      if (!buffers[0].subarray(0, left.bytesRead).equals(buffers[1].subarray(0, right.bytesRead)))
        return false;
    }
  } finally {
    await Promise.all([a.close(), b.close()]);
  }
}

/** A process that has just been killed may hold it for another moment. */
async function unmount(path: string): Promise<void> {
  try {
    const tried = async (): Promise<true> => {
      await run('umount', [path]);
      return true;
    };
    await waitFor(tried, { timeout_ms: 10_000, what: `unmounting ${path}` });
  } catch (error) {
    // Out of the way in any case; the loop device goes once the last file is closed.
    await run('umount', ['-l', path]);
    throw error;
  }
}

const reasonOf = (error: unknown): string =>
  (error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error)).trim().slice(0, 200);
