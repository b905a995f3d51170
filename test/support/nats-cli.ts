/** The real `nats` command-line tool, as people use it to look inside. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheDir } from '../../coordinator/embedded/environment.ts';
import { findOnPath, isExecutable } from '../../coordinator/embedded/executable.ts';
import { findGo, goInstall } from '../../coordinator/embedded/go-install.ts';

const VERSION = '0.5.1';
const MODULE = `github.com/nats-io/natscli/nats@v${VERSION}`;

/** Undefined when this machine has none: see `fetchNatsCli`. */
export async function findNatsCli(): Promise<string | undefined> {
  const cached = join(cacheDir(process.env), `nats-cli-${VERSION}`);
  return (await isExecutable(cached)) ? cached : await findOnPath('nats', process.env);
}

/** Builds the tool into the cache where there is none and Go is present. */
export async function fetchNatsCli(onStage: (text: string) => void): Promise<string | undefined> {
  const found = await findNatsCli();
  const go = await findGo(process.env);
  if (found !== undefined || go === undefined) return found;
  onStage(`building the nats command-line tool ${VERSION} with Go (once)`);
  const to = join(cacheDir(process.env), `nats-cli-${VERSION}`);
  await goInstall(go, { module: MODULE, binary: 'nats', to, environment: process.env });
  return to;
}

/**
 * What `nats <args>` prints on stdout.
 *
 * @throws the error of `execFile`, with `code`, `stdout` and `stderr`, when it fails.
 */
export async function natsCli(url: string, ...args: readonly string[]): Promise<string> {
  const nats = await findNatsCli();
  if (nats === undefined) throw new Error('there is no nats command-line tool; the global set-up builds it');
  const { stdout } = await promisify(execFile)(nats, ['--server', url, ...args], {
    timeout: 90_000,
    maxBuffer: 64 * 1024 * 1024,
    // Contexts of whoever runs the tests must not decide which server is asked.
    env: { ...process.env, NATS_CONTEXT: '', NATS_URL: '' },
  });
  return stdout;
}
