/** Text made shorter without breaking a character. */

export interface CutText {
  readonly text: string;
  readonly cut: boolean;
}

export function cutChars(text: string, chars: number): CutText {
  if (text.length <= chars) return { text, cut: false };
  const last = text.charCodeAt(chars - 1);
  const splits = last >= 0xd800 && last <= 0xdbff;
  return { text: text.slice(0, Math.max(0, splits ? chars - 1 : chars)), cut: true };
}

/** The longest beginning whose cost is within the limit. */
function cutByCost(text: string, limit: number, costOf: (text: string) => number): CutText {
  if (costOf(text) <= limit) return { text, cut: false };
  let low = 0;
  let high = text.length;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (costOf(cutChars(text, middle).text) <= limit) low = middle;
    else high = middle - 1;
  }
  return { text: cutChars(text, low).text, cut: true };
}

export const cutBytes = (text: string, bytes: number): CutText =>
  cutByCost(text, bytes, part => Buffer.byteLength(part));

/** By the bytes it takes inside a message, where a control character takes six. */
export const cutJson = (text: string, bytes: number): CutText =>
  cutByCost(text, bytes, part => Buffer.byteLength(JSON.stringify(part)) - 2);
