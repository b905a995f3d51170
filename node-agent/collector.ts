/** The answer so far, up to a limit: what is over it is not kept, and the run is told to stop. */
import { CcliError } from '../protocol/errors.ts';

export interface Collector {
  /** The part of `text` still within the limit; undefined once there is no room at all. */
  add(text: string): string | undefined;
  text(): string;
  /** Set once the limit was reached. */
  readonly overflow: CcliError | undefined;
}

export function createCollector(max_bytes: number, stop: (reason: CcliError) => void): Collector {
  const parts: string[] = [];
  let bytes = 0;
  let overflow: CcliError | undefined;

  return {
    get overflow() {
      return overflow;
    },
    text: () => parts.join(''),
    add(text) {
      if (overflow !== undefined) return undefined;
      const size = Buffer.byteLength(text);
      if (bytes + size <= max_bytes) {
        bytes += size;
        parts.push(text);
        return text;
      }
      overflow = new CcliError(
        'output_too_large',
        `The answer is over the limit of ${max_bytes} bytes; the part that came is kept. Raise max_output on the node.`,
      );
      const fitting = clip(text, max_bytes - bytes);
      bytes = max_bytes;
      parts.push(fitting);
      stop(overflow);
      return fitting === '' ? undefined : fitting;
    },
  };
}

/** The longest start of `text` within `max_bytes`, never ending inside a character. */
function clip(text: string, max_bytes: number): string {
  const bytes = Buffer.from(text).subarray(0, max_bytes);
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes, { stream: true });
}
