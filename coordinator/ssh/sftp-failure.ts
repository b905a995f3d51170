/** What an SFTP server answers when it does not do what it was asked, as errors that say what to do. */
import { dirname } from 'node:path/posix';
import type { SFTPWrapper } from 'ssh2';
import { CcliError } from '../../protocol/errors.ts';
import { isCcliError } from './failure.ts';

/** Codes of the SFTP drafts, which most servers keep to (draft-ietf-secsh-filexfer-02, section 7). */
export const NO_SUCH_FILE = 2;
const PERMISSION_DENIED = 3;
const FAILURE = 4;
const UNSUPPORTED = 8;

export const statusOf = (error: unknown): number | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'number' ? error.code : undefined;

interface Failed {
  readonly host: string;
  /** What was tried: `to write`. */
  readonly verb: string;
  readonly path: string;
  readonly files: SFTPWrapper;
}

/** "Failure" is all that is said of a full disk or a read-only one, so the disk is asked. */
export async function fileError(error: unknown, { host, verb, path, files }: Failed): Promise<CcliError> {
  if (isCcliError(error)) return error;
  const status = statusOf(error);
  const what = `${host} would not let us ${verb} ${path}`;
  const make = (code: 'permission_denied' | 'disk_full' | 'remote_command_failed', why: string): CcliError =>
    new CcliError(code, `${what}: ${why}`, { cause: error });
  switch (status) {
    case PERMISSION_DENIED:
      return make('permission_denied', 'this user may not; use another user, or allow it there.');
    case NO_SUCH_FILE:
      return make('remote_command_failed', 'there is no such file or directory.');
    case UNSUPPORTED:
      return make('remote_command_failed', 'its SFTP server does not know how.');
    case FAILURE:
      switch (await stateOf(files, path)) {
        case 'full':
          return make('disk_full', 'the disk there is full; free some space, and try again.');
        case 'read_only':
          return make(
            'permission_denied',
            'the file system there is mounted read-only; use another directory.',
          );
        default:
          return make('remote_command_failed', 'its SFTP server says no more than "failure".');
      }
    default:
      return make('remote_command_failed', `${error instanceof Error ? error.message : String(error)}.`);
  }
}

/** Read-only, as statvfs(3) has it. */
const ST_RDONLY = 1;

function stateOf(files: SFTPWrapper, path: string): Promise<'full' | 'read_only' | undefined> {
  return new Promise(resolve => {
    try {
      files.ext_openssh_statvfs(dirname(path), (_error, stats: unknown) => {
        const no_block = count(stats, 'f_bavail') === 0;
        const no_file = count(stats, 'f_favail') === 0 && count(stats, 'f_files') !== 0;
        if (((count(stats, 'f_flag') ?? 0) & ST_RDONLY) !== 0) resolve('read_only');
        else resolve(no_block || no_file ? 'full' : undefined);
      });
    } catch {
      // The server has no such extension: nothing more can be known.
      resolve(undefined);
    }
  });
}

function count(stats: unknown, name: string): number | undefined {
  if (typeof stats !== 'object' || stats === null || !(name in stats)) return undefined;
  const value: unknown = Reflect.get(stats, name);
  return typeof value === 'bigint' || typeof value === 'number' ? Number(value) : undefined;
}
