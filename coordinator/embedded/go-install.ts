/** Building a pinned Go program into the cache. */
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Environment } from '../../protocol/daemon/settings.ts';
import { runCommand } from './command.ts';
import { valueOf } from './environment.ts';
import { findOnPath } from './executable.ts';

interface GoInstallOptions {
  /** `module/path@version`. */
  readonly module: string;
  /** Name of the program that the module builds. */
  readonly binary: string;
  /** Where the program goes. */
  readonly to: string;
  readonly environment: Environment;
  readonly signal?: AbortSignal | undefined;
}

const BUILD_TIMEOUT_MS = 15 * 60_000;

/** The `go` command, if this machine has one. */
export async function findGo(environment: Environment): Promise<string | undefined> {
  return await findOnPath('go', environment);
}

/**
 * Safe beside another run of itself: each builds in a directory of its own, and the last rename wins.
 *
 * @throws Error with Go's own last line.
 */
export async function goInstall(go: string, options: GoInstallOptions): Promise<void> {
  const { module, binary, to, environment, signal } = options;
  await mkdir(dirname(to), { recursive: true });
  const bin = await mkdtemp(join(dirname(to), '.go-install-'));
  try {
    const flags = [valueOf(environment, 'GOFLAGS'), '-trimpath'].filter(flag => flag !== undefined);
    await runCommand(go, ['install', module], {
      environment: { ...environment, GOBIN: bin, GOFLAGS: flags.join(' ') },
      timeout_ms: BUILD_TIMEOUT_MS,
      signal,
    });
    await rename(join(bin, binary), to);
  } finally {
    await rm(bin, { recursive: true, force: true });
  }
}
