/** Newline-delimited text out of pieces of bytes that are cut anywhere. */
import { CcliError } from '../../../protocol/errors.ts';

/** Ollama itself reads no longer line from a model. A real one holds a token or a few. */
const MAX_LINE_BYTES = 8 * 1024 * 1024;

const NEWLINE = 0x0a;

export interface LineSplitter {
  /** The lines that the bytes complete, empty ones left out. */
  push(bytes: Uint8Array): string[];
  /** What came after the last newline. */
  rest(): string[];
}

/** @throws CcliError `cli_garbled` when a line is too long or not UTF-8. */
export function createLineSplitter(): LineSplitter {
  let parts: Uint8Array[] = [];
  let held = 0;

  const hold = (bytes: Uint8Array): void => {
    if (bytes.byteLength === 0) return;
    held += bytes.byteLength;
    if (held > MAX_LINE_BYTES)
      throw new CcliError('cli_garbled', `Ollama sent a line of over ${MAX_LINE_BYTES / 1024 ** 2} MiB.`);
    parts.push(bytes);
  };
  const take = (): string[] => {
    const line = decode(Buffer.concat(parts, held)).trim();
    parts = [];
    held = 0;
    return line === '' ? [] : [line];
  };

  return {
    push(bytes) {
      const lines: string[] = [];
      let from = 0;
      for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, from)) {
        hold(bytes.subarray(from, at));
        lines.push(...take());
        from = at + 1;
      }
      hold(bytes.subarray(from));
      return lines;
    },
    rest: take,
  };
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new CcliError('cli_garbled', 'Ollama sent bytes that are not UTF-8 text.', { cause });
  }
}
