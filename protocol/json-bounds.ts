/**
 * Whether a text in JSON can be parsed and checked in a moment. Of one size, a single long string costs next to nothing,
 * and millions of tiny values seconds and gigabytes, the more so when each of them breaks a schema.
 */
export interface JsonBounds {
  /** Values of all kinds, however deep. */
  readonly max_values: number;
  readonly max_depth: number;
}

/** Of what a caller sends: more values than any request needs, and deeper than any JSON Schema need be. */
export const REQUEST_BOUNDS: JsonBounds = { max_values: 50_000, max_depth: 128 };

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/**
 * Which bound is broken; undefined when none is. In one pass, and only as far as it must; no text is too odd for it, and
 * none takes longer than its length.
 *
 * @param text bytes are taken as UTF-8
 */
export function beyondBounds(
  text: string | Uint8Array,
  { max_values, max_depth }: JsonBounds,
): keyof JsonBounds | undefined {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text;
  let values = 1;
  let depth = 0;
  for (let at = 0; at < bytes.length; at += 1) {
    switch (bytes[at] ?? 0) {
      case QUOTE:
        at = endOfString(bytes, at);
        break;
      case OPEN_BRACE:
      case OPEN_BRACKET:
        values += 1;
        depth += 1;
        break;
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        depth -= 1;
        break;
      case COMMA:
        values += 1;
    }
    if (values > max_values) return 'max_values';
    if (depth > max_depth) return 'max_depth';
  }
  return undefined;
}

/** @param start of its opening quote @returns that of its closing one, or the end of the text */
function endOfString(bytes: Uint8Array, start: number): number {
  for (let at = start + 1; at < bytes.length; at += 1) {
    const byte = bytes[at];
    if (byte === QUOTE) return at;
    if (byte === BACKSLASH) at += 1;
  }
  return bytes.length;
}
