/** Answers that show at a glance whose they are: every line bears the mark of its run. */
import { createHash } from 'node:crypto';

export const sha256 = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex');

const WORDS = [
  'λόγος',
  'naïve',
  '日本語',
  '🚀🧪',
  'Ω≈ç√',
  'слово',
  'e\u0301',
  '\u200fעברית',
  'plain',
] as const;

/** At least `bytes` of UTF-8, up to one line more; of the shortest, exactly as many. */
export function answerOf(nonce: string, bytes: number): string {
  if (bytes < 5) return nonce.slice(0, bytes);
  const lines: string[] = [];
  for (let size = 0; size < bytes; ) {
    const number = lines.length;
    const words = Array.from({ length: 12 }, (_, at) => WORDS[(number + at) % WORDS.length]);
    const line = `${nonce} ${number} ${words.join(' ')}.\n`;
    lines.push(line);
    size += Buffer.byteLength(line);
  }
  return `${lines.join('')}${nonce} end`;
}
