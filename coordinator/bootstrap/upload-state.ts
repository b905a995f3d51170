/** How much of a bundle is on a host, and whether it is right. Pure. */
import { createHash } from 'node:crypto';
import type { Bundle, BundleFile } from '../bundle/bundle.ts';

interface FileState {
  readonly size_bytes: number;
  readonly sha256: string;
  readonly runnable: boolean;
}

/** By path; of what the host said of each file. */
export type UploadState = ReadonlyMap<string, FileState>;

export const readState = (lines: readonly string[]): UploadState =>
  new Map(
    lines.map(line => {
      const [size = '', sha256 = '', runnable = '', path = ''] = line.split('\t');
      return [path, { size_bytes: Number(size), sha256, runnable: runnable === 'yes' }];
    }),
  );

export function isWhole(bundle: Bundle, state: UploadState): boolean {
  return bundle.files.every(file => {
    const there = state.get(file.path);
    return there !== undefined && matches(file, there) && mayRun(file, there);
  });
}

const matches = (file: BundleFile, there: FileState): boolean =>
  there.size_bytes === file.size_bytes && there.sha256 === file.sha256;

const mayRun = (file: BundleFile, there: FileState): boolean => there.runnable || (file.mode & 0o100) === 0;

/** From the start of a file, what need not be sent again. */
export function goodBytes(file: BundleFile, state: UploadState): number {
  const there = state.get(file.path);
  if (there === undefined || there.size_bytes > file.size_bytes) return 0;
  const ours = createHash('sha256').update(file.bytes.subarray(0, there.size_bytes)).digest('hex');
  return ours === there.sha256 ? there.size_bytes : 0;
}

/** Those that are not there as they should be. */
export const damagedIn = (bundle: Bundle, state: UploadState): BundleFile[] =>
  bundle.files.filter(file => {
    const there = state.get(file.path);
    return there === undefined || !matches(file, there);
  });
