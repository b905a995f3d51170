/** nats-server from a Debian-like distribution, unpacked into the cache: nothing is installed, root is not needed. */
import { copyFile, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Environment } from '../../protocol/daemon/settings.ts';
import { runCommand } from './command.ts';
import { findOnPath, isExecutable } from './executable.ts';
import { askVersion, formatVersion } from './nats-version.ts';

const DOWNLOAD_TIMEOUT_MS = 5 * 60_000;

export async function hasPackageTools(environment: Environment): Promise<boolean> {
  const tools = await Promise.all(['apt-get', 'dpkg-deb'].map(name => findOnPath(name, environment)));
  return tools.every(tool => tool !== undefined);
}

/**
 * The path of the program, its version in the name.
 *
 * @throws Error with the package tool's last line.
 */
export async function fetchPackage(
  cache: string,
  environment: Environment,
  signal: AbortSignal | undefined,
): Promise<string> {
  await mkdir(cache, { recursive: true });
  const directory = await mkdtemp(join(cache, '.package-'));
  const options = { environment, cwd: directory, timeout_ms: DOWNLOAD_TIMEOUT_MS, signal };
  try {
    await runCommand('apt-get', ['download', 'nats-server'], options);
    const archive = (await readdir(directory)).find(name => name.endsWith('.deb'));
    if (archive === undefined) throw new Error('apt-get downloaded no package');
    await runCommand('dpkg-deb', ['-x', archive, 'root'], options);
    const unpacked = await findProgram(join(directory, 'root'));
    const version = await askVersion(unpacked, environment);
    if (version === undefined) throw new Error('the packaged nats-server does not run here');
    const ready = join(directory, 'ready');
    await copyFile(unpacked, ready);
    const path = join(cache, `nats-server-${formatVersion(version)}`);
    await rename(ready, path);
    return path;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function findProgram(root: string): Promise<string> {
  for (const place of ['usr/sbin', 'usr/bin', 'usr/local/bin']) {
    const path = join(root, place, 'nats-server');
    if (await isExecutable(path)) return path;
  }
  throw new Error('the package holds no nats-server');
}
