/** Writes a file over SFTP, many pieces under way at once. */
import type { SFTPWrapper } from 'ssh2';

/** What every server takes in one message. */
const PIECE_BYTES = 32 * 1024;
/** Together 2 MiB: as much as the server takes before it has answered. */
const UNDER_WAY = 64;

interface PiecesOptions {
  readonly handle: Buffer;
  readonly bytes: Buffer;
  /** Where in the file they begin. */
  readonly position: number;
  /** Called with the bytes of this call that are there. */
  readonly onProgress: (bytes: number) => void;
}

/** Rejects with the first error, when nothing is under way any more. */
export function writePieces(
  files: SFTPWrapper,
  { handle, bytes, position, onProgress }: PiecesOptions,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let next = 0;
    let under_way = 0;
    let written = 0;
    let failure: Error | undefined;
    const more = (): void => {
      while (failure === undefined && under_way < UNDER_WAY && next < bytes.length) {
        const at = next;
        const length = Math.min(PIECE_BYTES, bytes.length - at);
        next += length;
        under_way += 1;
        files.write(handle, bytes, at, length, position + at, error => {
          under_way -= 1;
          if (error instanceof Error) failure ??= error;
          else {
            written += length;
            if (failure === undefined) onProgress(written);
          }
          more();
        });
      }
      if (under_way > 0) return;
      if (failure === undefined) resolve();
      else reject(failure);
    };
    more();
  });
}
