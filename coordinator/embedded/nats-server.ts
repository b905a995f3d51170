/**
 * Finding a nats-server, in this order: the one that CCLI_NATS_SERVER names; one on PATH that is new enough for the
 * promise that accepted tasks survive; the pinned one in the cache; the pinned one built by Go; then, with a warning,
 * an older one from PATH, the cache or the distribution.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Environment } from '../../protocol/daemon/settings.ts';
import { CcliError } from '../../protocol/errors.ts';
import { fetchPackage, hasPackageTools } from './distribution-package.ts';
import { cacheDir, valueOf } from './environment.ts';
import { findOnPath, isExecutable } from './executable.ts';
import { findGo, goInstall } from './go-install.ts';
import {
  askVersion,
  compareVersions,
  durabilityWarning,
  formatVersion,
  isDurable,
  isUsable,
  parseVersion,
  type Version,
} from './nats-version.ts';

/** Its name in the cache carries the version, so that finding it starts nothing. */
const PINNED: Version = { major: 2, minor: 15, patch: 1 };
const PINNED_NAME = `nats-server-${formatVersion(PINNED)}`;
const GO_MODULE = `github.com/nats-io/nats-server/v2@v${formatVersion(PINNED)}`;

export interface NatsServer {
  readonly path: string;
  readonly version: Version;
  /** What this server cannot promise, in a sentence. */
  readonly warning?: string;
}

export interface FindOptions {
  readonly environment: Environment;
  /** Told before anything that takes longer than a moment. */
  readonly onStage: (text: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** @throws CcliError `config_invalid` for a wrong CCLI_NATS_SERVER, `nats_server_missing` when nothing is to be had. */
export async function findNatsServer(options: FindOptions): Promise<NatsServer> {
  const { environment } = options;
  const named = valueOf(environment, 'CCLI_NATS_SERVER');
  if (named !== undefined) return await useNamed(named, environment);

  const cache = cacheDir(environment);
  const failures: string[] = [];
  const onPath = await lookOnPath(environment);
  if (onPath !== undefined && isDurable(onPath.version)) return onPath;

  return (
    (await lookInCache(cache)) ??
    (await buildWithGo(cache, options, failures)) ??
    (onPath !== undefined && isUsable(onPath.version) ? onPath : undefined) ??
    (await lookForOlder(cache)) ??
    (await unpackPackage(cache, options, failures)) ??
    nothingToBeHad(failures)
  );
}

const server = (path: string, version: Version): NatsServer => ({
  path,
  version,
  ...(!isDurable(version) && { warning: durabilityWarning(version) }),
});

async function useNamed(path: string, environment: Environment): Promise<NatsServer> {
  const version = (await isExecutable(path)) ? await askVersion(path, environment) : undefined;
  if (version === undefined) {
    throw new CcliError(
      'config_invalid',
      `CCLI_NATS_SERVER names ${path}, which is not a nats-server that runs here. Correct the path or unset it.`,
    );
  }
  if (!isUsable(version)) {
    throw new CcliError(
      'config_invalid',
      `CCLI_NATS_SERVER names nats-server ${formatVersion(version)}; 2.9.10 is the oldest that works, 2.14 the oldest to rely on.`,
    );
  }
  return server(path, version);
}

async function lookOnPath(environment: Environment): Promise<NatsServer | undefined> {
  const path = await findOnPath('nats-server', environment);
  const version = path === undefined ? undefined : await askVersion(path, environment);
  return path === undefined || version === undefined ? undefined : server(path, version);
}

async function lookInCache(cache: string): Promise<NatsServer | undefined> {
  const path = join(cache, PINNED_NAME);
  return (await isExecutable(path)) ? server(path, PINNED) : undefined;
}

async function buildWithGo(
  cache: string,
  { environment, onStage, signal }: FindOptions,
  failures: string[],
): Promise<NatsServer | undefined> {
  const go = await findGo(environment);
  if (go === undefined) return undefined;
  onStage(`building nats-server ${formatVersion(PINNED)} with Go (once; a minute or two)`);
  const to = join(cache, PINNED_NAME);
  try {
    await goInstall(go, { module: GO_MODULE, binary: 'nats-server', to, environment, signal });
    return server(to, PINNED);
  } catch (error) {
    signal?.throwIfAborted();
    failures.push(`go install failed: ${messageOf(error)}`);
    return undefined;
  }
}

async function lookForOlder(cache: string): Promise<NatsServer | undefined> {
  const found = (await listOrNothing(cache))
    .filter(name => /^nats-server-\d+\.\d+\.\d+$/.test(name))
    .flatMap(name => {
      const version = parseVersion(name);
      return version !== undefined && isUsable(version) ? [server(join(cache, name), version)] : [];
    })
    .sort((a, b) => compareVersions(b.version, a.version));
  for (const candidate of found) if (await isExecutable(candidate.path)) return candidate;
  return undefined;
}

async function listOrNothing(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch {
    // No cache yet.
    return [];
  }
}

async function unpackPackage(
  cache: string,
  { environment, onStage, signal }: FindOptions,
  failures: string[],
): Promise<NatsServer | undefined> {
  if (!(await hasPackageTools(environment))) return undefined;
  onStage("fetching the distribution's nats-server package (once)");
  try {
    const path = await fetchPackage(cache, environment, signal);
    const version = parseVersion(path.slice(cache.length));
    if (version === undefined || !isUsable(version)) throw new Error('the packaged version is too old');
    return server(path, version);
  } catch (error) {
    signal?.throwIfAborted();
    failures.push(`the distribution's package failed: ${messageOf(error)}`);
    return undefined;
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function nothingToBeHad(failures: readonly string[]): never {
  const tried = failures.length === 0 ? '' : `\nTried: ${failures.join('; ')}.`;
  throw new CcliError(
    'nats_server_missing',
    `There is no nats-server here and none could be fetched. Install 2.14 or newer and start again:
  Linux    https://nats.io/download, or the package: apt install nats-server, pacman -S nats-server, apk add nats-server
  macOS    brew install nats-server, or https://nats.io/download
  Windows  run ccli inside WSL, and install as on Linux; builds: https://nats.io/download
With Go installed (https://go.dev/dl) it is built by itself. A server elsewhere: CCLI_NATS_SERVER=/path/to/nats-server, or --nats nats://host:4222.${tried}`,
  );
}
