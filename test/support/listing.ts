/** Everything below a directory, by path: what a run must have left as it was. */
import { createHash } from 'node:crypto';
import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import { join, relative } from 'node:path';

interface ListingOptions {
  /** With the times of the last change. */
  readonly times?: boolean;
  /** Paths below the directory that are left out, with all in them. */
  readonly without?: readonly string[];
}

/** `mode kind content [time]` by path. */
export async function listing(
  directory: string,
  { times = false, without = [] }: ListingOptions = {},
): Promise<Record<string, string>> {
  const lines: [string, string][] = [];
  const visit = async (path: string): Promise<void> => {
    const name = relative(directory, path);
    if (without.includes(name)) return;
    const { mode, mtimeNs } = await lstat(path, { bigint: true });
    const is_directory = (mode & 0o170000n) === 0o040000n;
    const is_link = (mode & 0o170000n) === 0o120000n;
    const content = is_directory ? 'directory' : is_link ? `-> ${await readlink(path)}` : await hash(path);
    lines.push([name, `${mode.toString(8)} ${content}${times ? ` ${mtimeNs}` : ''}`]);
    if (is_directory) for (const entry of (await readdir(path)).sort()) await visit(join(path, entry));
  };
  await visit(directory);
  return Object.fromEntries(lines);
}

const hash = async (path: string): Promise<string> =>
  createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
