/** Reads the bundle that `npm run build` has made. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { CcliError } from '../../protocol/errors.ts';
import type { Bundle, BundleFile } from './bundle.ts';

/** Without these it would not start. */
const REQUIRED = ['package.json', 'bin/ccli', 'lib/node-agent/program.mjs'];
const VERSION_HASH_DIGITS = 12;

/** From the source tree it is in dist/, two folders up; from the built tree it is two folders up. */
const findBundle = (): string | undefined =>
  ['../../dist/bundle', '../../bundle']
    .map(path => fileURLToPath(new URL(path, import.meta.url)))
    .find(directory => existsSync(directory));

/** @throws CcliError `start_failed` when it was not built */
export async function readBundle(directory: string | undefined = findBundle()): Promise<Bundle> {
  if (directory === undefined) throw notBuilt('is missing');
  const files = await readFiles(directory);
  const missing = REQUIRED.find(path => !files.some(file => file.path === path));
  if (missing !== undefined) throw notBuilt(`has no ${missing}`);
  return {
    version: `${versionIn(files)}-${hashOf(files)}`,
    files,
    size_bytes: files.reduce((sum, file) => sum + file.size_bytes, 0),
  };
}

async function readFiles(directory: string): Promise<BundleFile[]> {
  try {
    const entries = await readdir(directory, { recursive: true, withFileTypes: true });
    const paths = entries.filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name));
    const files = await Promise.all(
      paths.map(async file => {
        const bytes = new Uint8Array(await readFile(file));
        const runnable = ((await stat(file)).mode & 0o100) !== 0;
        return {
          path: relative(directory, file).split(sep).join('/'),
          // What the builder's umask was is nobody's business on the host.
          mode: runnable ? 0o755 : 0o644,
          size_bytes: bytes.byteLength,
          sha256: createHash('sha256').update(bytes).digest('hex'),
          bytes,
        };
      }),
    );
    return files.sort((one, other) => (one.path < other.path ? -1 : 1));
  } catch (error) {
    throw notBuilt('cannot be read', error);
  }
}

function versionIn(files: readonly BundleFile[]): string {
  const manifest = files.find(file => file.path === 'package.json');
  try {
    return z
      .object({ version: z.string().regex(/^[\w.+-]{1,64}$/) })
      .parse(JSON.parse(new TextDecoder().decode(manifest?.bytes))).version;
  } catch (error) {
    throw notBuilt('has a broken package.json', error);
  }
}

function hashOf(files: readonly BundleFile[]): string {
  const hash = createHash('sha256');
  for (const { path, mode, sha256 } of files) hash.update(`${path}\0${mode}\0${sha256}\n`);
  return hash.digest('hex').slice(0, VERSION_HASH_DIGITS);
}

const notBuilt = (what: string, cause?: unknown): CcliError =>
  new CcliError(
    'start_failed',
    `The bundle of the node-agent, which goes to hosts, ${what}; run \`npm run build\` where ccli is installed.`,
    { cause },
  );
