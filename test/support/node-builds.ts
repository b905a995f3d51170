/** Real Node builds, laid out as nvm lays them out. Fetched from the npm registry once, then kept in a cache. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { root } from './built.ts';

const run = promisify(execFile);

const cacheDirectory = (): string =>
  join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'ccli', 'test', 'nvm', 'versions', 'node');

/** The directory of one version (`22.14.0`), with `bin/node` in it. Safe to call from several processes at once. */
export async function nodeBuild(version: string): Promise<string> {
  const cache = cacheDirectory();
  const place = join(cache, `v${version}`);
  if (existsSync(join(place, 'bin', 'node'))) return place;
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(cache, '.fetching-'));
  try {
    await fetchBuild(version, work);
    // Whoever comes second finds the name taken, by the same build.
    await rename(join(work, 'package'), place).catch((error: unknown) => {
      if (!existsSync(join(place, 'bin', 'node'))) throw error;
    });
    return place;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function fetchBuild(version: string, into: string): Promise<void> {
  const name = `node-${process.platform}-${process.arch}@${version}`;
  try {
    await run('npm', ['pack', name, '--pack-destination', into], { cwd: into });
    const archive = (await readdir(into)).find(file => file.endsWith('.tgz'));
    if (archive === undefined) throw new Error('npm pack wrote no archive');
    await run('tar', ['-xzf', join(into, archive), '-C', into, 'package/bin']);
  } catch (cause) {
    throw new Error(`The Node build ${name} could not be fetched from the npm registry; is npm offline?`, {
      cause,
    });
  }
}

interface NvmHome {
  /** Versions to have there: `['22.14.0', '22.17.0']`. */
  readonly versions: readonly string[];
  /** Those of them that have the gemini CLI, as `npm install -g` puts it there. */
  readonly gemini?: readonly string[];
  /** Alias files: `{ default: '22' }`. */
  readonly aliases?: Readonly<Record<string, string>>;
}

/** Makes `directory` an nvm home (what NVM_DIR names). The builds in it are shared with the cache by symbolic link. */
export async function makeNvmHome(
  directory: string,
  { versions, gemini = [], aliases = {} }: NvmHome,
): Promise<string> {
  for (const version of versions) {
    const bin = join(directory, 'versions', 'node', `v${version}`, 'bin');
    await mkdir(bin, { recursive: true });
    await symlink(join(await nodeBuild(version), 'bin', 'node'), join(bin, 'node'));
    if (gemini.includes(version)) await linkGemini(join(bin, '..'));
  }
  for (const [name, target] of Object.entries(aliases)) {
    const file = join(directory, 'alias', name);
    await mkdir(join(file, '..'), { recursive: true });
    await writeFile(file, `${target}\n`);
  }
  return directory;
}

async function linkGemini(prefix: string): Promise<void> {
  const modules = join(prefix, 'lib', 'node_modules');
  await mkdir(join(modules, '@google'), { recursive: true });
  await symlink(join(root, 'node_modules', '@google', 'gemini-cli'), join(modules, '@google', 'gemini-cli'));
  await symlink('../lib/node_modules/@google/gemini-cli/bundle/gemini.js', join(prefix, 'bin', 'gemini'));
}
