/** Cuts a stream of bytes into lines; one that is too long is passed over to its end, and told of. */
import { MAX_LINE_BYTES } from '../../protocol/line.ts';

interface LineSink {
  readonly onLine: (line: Uint8Array) => void;
  readonly onTooLong: () => void;
}

const NEWLINE = 0x0a;

/** @returns takes the bytes as they come */
export function splitLines(
  { onLine, onTooLong }: LineSink,
  max_bytes: number = MAX_LINE_BYTES,
): (bytes: Uint8Array) => void {
  let parts: Uint8Array[] = [];
  let held = 0;
  let skipping = false;

  const take = (bytes: Uint8Array): void => {
    if (skipping || bytes.byteLength === 0) return;
    if (held + bytes.byteLength > max_bytes) {
      skipping = true;
      parts = [];
      held = 0;
      onTooLong();
      return;
    }
    parts.push(bytes);
    held += bytes.byteLength;
  };

  const end = (): void => {
    const [only] = parts;
    const line = parts.length === 1 && only !== undefined ? only : Buffer.concat(parts);
    parts = [];
    held = 0;
    const skipped = skipping;
    skipping = false;
    if (!skipped && line.byteLength > 0) onLine(line);
  };

  return bytes => {
    let from = 0;
    for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, from)) {
      take(bytes.subarray(from, at));
      end();
      from = at + 1;
    }
    take(bytes.subarray(from));
  };
}
