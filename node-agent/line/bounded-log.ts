/** A log in a file of bounded size: when it is full, it becomes the former one, and that one goes. */
import { appendFileSync, renameSync, statSync } from 'node:fs';

const MAX_BYTES = 1024 * 1024;

export function createBoundedLog(file: string, max_bytes: number = MAX_BYTES): { write(line: string): void } {
  let size = sizeOf(file);
  return {
    write(line) {
      try {
        if (size >= max_bytes) {
          renameSync(file, `${file}.1`);
          size = 0;
        }
        appendFileSync(file, line, { mode: 0o600 });
        size += Buffer.byteLength(line);
      } catch {
        // A disk that takes no log is no reason to end what runs; it shows in `full` of the adverts.
      }
    },
  };
}

function sizeOf(file: string): number {
  try {
    return statSync(file).size;
  } catch {
    // Not there yet.
    return 0;
  }
}
