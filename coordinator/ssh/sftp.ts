/** Files on a host, over one SFTP session. */
import type { SFTPWrapper, Stats } from 'ssh2';
import { CcliError } from '../../protocol/errors.ts';
import { connectionLost, reasonOf } from './failure.ts';
import { fileError, NO_SUCH_FILE, statusOf } from './sftp-failure.ts';
import { writePieces } from './sftp-write.ts';
import type { RemoteFiles, RemoteStat, WriteOptions } from './ssh.ts';

interface FilesOptions {
  readonly host: string;
  readonly signal: AbortSignal;
  /** When the connection ends. */
  readonly over: Promise<Error | undefined>;
}

/** The session is closed afterwards, whatever happens. */
export async function withFiles<T>(
  files: SFTPWrapper,
  work: (files: RemoteFiles) => Promise<T>,
  { host, signal, over }: FilesOptions,
): Promise<T> {
  let onAbort = (): void => undefined;
  const broken = new Promise<never>((_, reject) => {
    onAbort = () => {
      reject(reasonOf(signal));
    };
    files.on('error', (error: unknown) => {
      reject(connectionLost(host, error));
    });
    files.on('close', () => {
      reject(connectionLost(host, new Error('the SFTP session was closed')));
    });
    void over.then(error => {
      reject(error ?? connectionLost(host));
    });
  });
  broken.catch(() => undefined);
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work(new SftpFiles(files, host, broken)), broken]);
  } finally {
    signal.removeEventListener('abort', onAbort);
    files.end();
  }
}

type Done<T> = (error: Error | null | undefined, value: T) => void;

class SftpFiles implements RemoteFiles {
  readonly #files: SFTPWrapper;
  readonly #host: string;
  readonly #broken: Promise<never>;

  constructor(files: SFTPWrapper, host: string, broken: Promise<never>) {
    this.#files = files;
    this.#host = host;
    this.#broken = broken;
  }

  async stat(path: string): Promise<RemoteStat | undefined> {
    return await this.#try('look at', path, async () => {
      try {
        return toStat(
          await this.#ask<Stats>(done => {
            this.#files.lstat(path, done);
          }),
        );
      } catch (error) {
        if (statusOf(error) === NO_SUCH_FILE) return undefined;
        throw error;
      }
    });
  }

  async list(path: string): Promise<readonly string[]> {
    const entries = await this.#try('list', path, () =>
      this.#ask<readonly { readonly filename: string }[]>(done => {
        this.#files.readdir(path, done);
      }),
    );
    return entries.map(({ filename }) => filename).filter(name => name !== '.' && name !== '..');
  }

  async read(path: string): Promise<Uint8Array> {
    return await this.#try('read', path, () =>
      this.#ask<Buffer>(done => {
        this.#files.readFile(path, done);
      }),
    );
  }

  async write(
    path: string,
    bytes: Uint8Array,
    { mode, from_byte = 0, onProgress }: WriteOptions,
  ): Promise<void> {
    await this.#try('write', path, async () => {
      const handle = await this.#ask<Buffer>(done => {
        this.#files.open(path, from_byte > 0 ? 'r+' : 'w', mode, done);
      });
      try {
        if (from_byte > 0) await this.#mustEndAt(handle, path, from_byte);
        // Before anything is in it: the host's umask, or an older file, may have given it another mode.
        await this.#did(done => {
          this.#files.fsetstat(handle, { mode }, done);
        });
        const pieces = writePieces(this.#files, {
          handle,
          bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
          position: from_byte,
          onProgress: written => {
            onProgress?.(from_byte + written);
          },
        });
        await Promise.race([pieces, this.#broken]);
        await this.#sync(handle);
      } finally {
        await this.#did(done => {
          this.#files.close(handle, done);
        });
      }
    });
  }

  async makeDirectory(path: string, mode: number): Promise<void> {
    await this.#try('make the directory', path, async () => {
      await this.#did(done => {
        this.#files.mkdir(path, { mode }, done);
      });
      // The host's umask may have taken some of it.
      await this.#did(done => {
        this.#files.chmod(path, mode, done);
      });
    });
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#try(`rename ${from} to`, to, () =>
      this.#did(done => {
        this.#files.ext_openssh_rename(from, to, done);
      }),
    );
  }

  async remove(path: string): Promise<void> {
    await this.#try('remove', path, () =>
      this.#did(done => {
        this.#files.unlink(path, done);
      }),
    );
  }

  async removeDirectory(path: string): Promise<void> {
    await this.#try('remove the directory', path, () =>
      this.#did(done => {
        this.#files.rmdir(path, done);
      }),
    );
  }

  async symlink(target: string, path: string): Promise<void> {
    await this.#try('make the link', path, () =>
      this.#did(done => {
        this.#files.symlink(target, path, done);
      }),
    );
  }

  async #mustEndAt(handle: Buffer, path: string, from_byte: number): Promise<void> {
    const { size } = await this.#ask<Stats>(done => {
      this.#files.fstat(handle, done);
    });
    if (size !== from_byte)
      throw new CcliError(
        'upload_damaged',
        `${path} on ${this.#host} has ${size} bytes where ${from_byte} were expected; somebody else writes to it. Try again.`,
      );
  }

  /** A file that is renamed into its place must not be empty after a power cut. */
  async #sync(handle: Buffer): Promise<void> {
    await this.#did(done => {
      try {
        this.#files.ext_openssh_fsync(handle, done);
      } catch {
        // The server has no such extension.
        done(null);
      }
    });
  }

  async #try<T>(verb: string, path: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw await fileError(error, { host: this.#host, verb, path, files: this.#files });
    }
  }

  /** The library forgets some questions when a session breaks off: the end of the session answers them. */
  #ask<T>(question: (done: Done<T>) => void): Promise<T> {
    const answered = new Promise<T>((resolve, reject) => {
      question((error, value) => {
        if (error instanceof Error) reject(error);
        else resolve(value);
      });
    });
    return Promise.race([answered, this.#broken]);
  }

  #did(question: (done: (error?: Error | null) => void) => void): Promise<void> {
    return this.#ask(done => {
      question(error => {
        done(error, undefined);
      });
    });
  }
}

const toStat = (stats: Stats): RemoteStat => ({
  size_bytes: stats.size,
  mode: stats.mode & 0o7777,
  kind: stats.isFile()
    ? 'file'
    : stats.isDirectory()
      ? 'directory'
      : stats.isSymbolicLink()
        ? 'symlink'
        : 'other',
});
