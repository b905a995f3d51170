/**
 * Puts a bundle on a host: resumable, checked there, and whole or not there at all.
 *
 *     versions/<version>.partial-<own>/     written by one upload alone; left when the line breaks, for the next to go on
 *       └─ checked on the host, then one rename ─> versions/<version>/
 *
 * Two uploads of one version write to two directories; who comes second at the rename finds the other's there, and takes it.
 */
import { randomBytes } from 'node:crypto';
import { CcliError } from '../../protocol/errors.ts';
import type { Bundle, BundleFile } from '../bundle/bundle.ts';
import type { SshHost } from '../ssh/ssh.ts';
import { type Answers, askHost } from './answers.ts';
import { freeBytes } from './facts-disk.ts';
import { createShell, type Shell } from './shell.ts';
import {
  ABANDON,
  checkScript,
  DROP_ASIDE,
  lookScript,
  prepareScript,
  SET_ASIDE,
  TRY_ROOM,
} from './upload-script.ts';
import { damagedIn, goodBytes, isWhole, readState, type UploadState } from './upload-state.ts';

export interface UploadOptions {
  /** `<home>/.local/share/ccli`, absolute. */
  readonly base: string;
  readonly signal: AbortSignal;
  /** Of all files together; what was there already counts at once. */
  readonly onProgress?: (sent_bytes: number, total_bytes: number) => void;
  /** An absolute path of a Node there, for a host without a program that computes a SHA-256. */
  readonly node?: string;
}

const SCRIPT_TIMEOUT_MS = 120_000;
const ABANDON_TIMEOUT_MS = 15_000;
/** What a file system needs besides the bytes. */
const SPARE_BYTES = 1024 * 1024;

interface Work {
  readonly host: SshHost;
  readonly shell: Shell;
  readonly bundle: Bundle;
  readonly options: UploadOptions;
  /** Name of our directory in `versions/`. */
  readonly own: string;
  readonly versions: string;
  readonly ask: (script: string, shell?: Shell) => Promise<Answers>;
}

/**
 * @throws CcliError those of `SshHost`, `upload_damaged`, `disk_full`, `permission_denied`, `host_not_ready` when the host
 *   has nothing to compute a SHA-256 with. After one of the line, what arrived stays for the next upload; after any other,
 *   nothing does
 */
export async function uploadBundle(
  host: SshHost,
  bundle: Bundle,
  options: UploadOptions,
): Promise<'uploaded' | 'present'> {
  const work = workOf(host, bundle, options);
  const there = await look(work);
  if (there === 'whole') return 'present';
  try {
    await fill(work);
    return await putInPlace(work, there);
  } catch (error) {
    const told = await tellFull(work, error);
    if (!isOfTheLine(told)) await abandon(work);
    throw told;
  }
}

type There = 'whole' | 'damaged' | 'absent';

/** Changes nothing. @throws CcliError those of `SshHost.run`; `host_not_ready` as above */
export const lookAtBundle = (host: SshHost, bundle: Bundle, options: UploadOptions): Promise<There> =>
  look(workOf(host, bundle, options));

function workOf(host: SshHost, bundle: Bundle, options: UploadOptions): Work {
  const shell = createShell(host, options.signal);
  const own = `${bundle.version}.partial-${randomBytes(4).toString('hex')}`;
  const values = { base: options.base, version: bundle.version, own, node: options.node ?? 'node' };
  return {
    host,
    shell,
    bundle,
    options,
    own,
    versions: `${options.base}/versions`,
    ask: (script, by = shell) => askHost(by, script, { values, timeout_ms: SCRIPT_TIMEOUT_MS }),
  };
}

async function look({ ask, bundle, host }: Work): Promise<There> {
  const answers = await ask(lookScript(bundle));
  if (answers.one('tool') === undefined)
    throw new CcliError(
      'host_not_ready',
      `${host.name} has nothing to compute a SHA-256 with; install coreutils there, which has sha256sum.`,
    );
  if (!answers.is('version')) return 'absent';
  return isWhole(bundle, readState(answers.all('file'))) ? 'whole' : 'damaged';
}

async function fill(work: Work): Promise<void> {
  const { ask, bundle, host } = work;
  const prepared = await ask(prepareScript(bundle));
  const state = readState(prepared.all('file'));
  checkRoom(work, state, freeBytes(prepared.one('disk')));
  await send(work, bundle.files, state);
  const arrived = readState((await ask(checkScript(bundle))).all('file'));
  const damaged = damagedIn(bundle, arrived);
  if (damaged.length === 0) return;
  // Somebody else's late bytes, or a bad disk: once more, from the first byte.
  await send(work, damaged, new Map());
  const again = damagedIn(bundle, readState((await ask(checkScript(bundle))).all('file')));
  if (again.length > 0)
    throw new CcliError(
      'upload_damaged',
      `What arrived at ${host.name} is not what was sent: ${again.map(({ path }) => path).join(', ')}. Look at its disk and memory, then try again.`,
    );
}

function checkRoom({ bundle, host }: Work, state: UploadState, free: number | undefined): void {
  const missing = bundle.files.reduce((sum, file) => sum + file.size_bytes - goodBytes(file, state), 0);
  if (free === undefined || missing === 0 || free >= missing + SPARE_BYTES) return;
  throw new CcliError(
    'disk_full',
    `The disk of ${host.name} has ${Math.floor(free / 1_024)} KiB left, and ${Math.ceil(missing / 1_024)} KiB are to go there; free some.`,
  );
}

async function send(
  { host, bundle, options, own, versions }: Work,
  files: readonly BundleFile[],
  state: UploadState,
): Promise<void> {
  const { signal, onProgress } = options;
  let done = bundle.size_bytes - files.reduce((sum, file) => sum + file.size_bytes, 0);
  await host.sftp(async remote => {
    for (const file of files) {
      const path = `${versions}/${own}/${file.path}`;
      const from_byte = goodBytes(file, state);
      const before = done;
      if (from_byte < file.size_bytes || !state.has(file.path))
        await remote.write(path, file.bytes.subarray(from_byte), {
          mode: file.mode,
          ...(from_byte > 0 && { from_byte }),
          onProgress: bytes => onProgress?.(before + bytes, bundle.size_bytes),
        });
      done += file.size_bytes;
      onProgress?.(done, bundle.size_bytes);
    }
  }, signal);
}

async function putInPlace(work: Work, there: 'damaged' | 'absent'): Promise<'uploaded' | 'present'> {
  const { ask, host, own, versions, bundle, options } = work;
  if (there === 'damaged') await ask(SET_ASIDE);
  try {
    await host.sftp(
      files => files.rename(`${versions}/${own}`, `${versions}/${bundle.version}`),
      options.signal,
    );
  } catch (error) {
    if (isOfTheLine(error) || (await look(work)) !== 'whole') throw error;
    // Another upload was faster.
    await ask(ABANDON);
    return 'present';
  }
  if (there === 'damaged') await ask(DROP_ASIDE);
  return 'uploaded';
}

/** An SFTP server says only "failure" of a disk that became full, so a command is asked as well. */
async function tellFull({ ask }: Work, error: unknown): Promise<unknown> {
  if (!(error instanceof CcliError) || error.code !== 'remote_command_failed') return error;
  try {
    await ask(TRY_ROOM);
    return error;
  } catch (found) {
    return found instanceof CcliError && found.code === 'disk_full'
      ? new CcliError('disk_full', found.message, { cause: error })
      : error;
  }
}

/** Whoever tries again finds what has arrived so far. */
const isOfTheLine = (error: unknown): boolean =>
  !(error instanceof CcliError) || error.code.startsWith('ssh_') || error.code === 'cancelled';

async function abandon({ ask, shell }: Work): Promise<void> {
  try {
    await ask(ABANDON, shell.under(AbortSignal.timeout(ABANDON_TIMEOUT_MS)));
  } catch {
    // What is told is why the upload failed; the next one takes over or removes what is left.
  }
}
