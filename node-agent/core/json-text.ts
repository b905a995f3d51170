/**
 * Parses JSON that a tool printed, whatever it printed: in one pass over the text, so that no nesting overflows a stack
 * and no list of a million empty things fills the memory.
 */

/** No answer that anybody prints is nested as deep, or made of as many values. */
const MAX_DEPTH = 200;
const MAX_VALUES = 500_000;

/** An object or a list; a word or a number alone is no message. `mend` allows line ends within strings as they are. */
export function parseJson(text: string, { mend = false } = {}): object | undefined {
  if (!/^\s*[[{]/.test(text)) return undefined;
  const fit = looked(text, mend);
  if (fit === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(fit);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPENERS: ReadonlySet<number> = new Set([0x5b, 0x7b]);
const CLOSERS: ReadonlySet<number> = new Set([0x5d, 0x7d]);

/** The text with what `mend` mends; undefined where it is not whole, or too much to parse. */
function looked(text: string, mend: boolean): string | undefined {
  const mended = createJoiner();
  let kept = 0;
  let depth = 0;
  let values = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (quoted) {
      if (code === BACKSLASH) at += 1;
      else if (code === QUOTE) quoted = false;
      else if (code < 0x20 && mend) {
        mended.add(text.slice(kept, at), escaped(code));
        kept = at + 1;
      }
    } else if (code === QUOTE) quoted = true;
    else if (code === COMMA) values += 1;
    else if (OPENERS.has(code)) {
      depth += 1;
      values += 1;
    } else if (CLOSERS.has(code)) depth -= 1;
    if (depth > MAX_DEPTH || depth < 0 || values > MAX_VALUES) return undefined;
  }
  if (quoted || depth !== 0) return undefined;
  return kept === 0 ? text : mended.whole(text.slice(kept));
}

const escaped = (code: number): string => `\\u${code.toString(16).padStart(4, '0')}`;

const BLOCK_PARTS = 4_096;

/** Joins as it goes: a list of millions of short parts would take many times their length. */
function createJoiner(): { add(...more: string[]): void; whole(end: string): string } {
  const blocks: string[] = [];
  let parts: string[] = [];
  const close = (): void => {
    blocks.push(parts.join(''));
    parts = [];
  };
  return {
    add(...more) {
      parts.push(...more);
      if (parts.length >= BLOCK_PARTS) close();
    },
    whole(end) {
      parts.push(end);
      close();
      return blocks.join('');
    },
  };
}
