/** The answer while it is being made. */
import { z } from 'zod';
import { TaskIdSchema } from './task.ts';

/** One piece of an answer. `n` counts from 0 within an attempt; a hole in the count is a `gap` to its reader. */
export const ChunkSchema = z.object({
  v: z.int().positive(),
  task_id: TaskIdSchema,
  attempt: z.int().positive(),
  n: z.int().nonnegative(),
  text: z.string(),
});
export type Chunk = z.infer<typeof ChunkSchema>;

/** UTF-16 units in one chunk at most: each becomes at most six bytes of JSON, well within a message. */
const CHUNK_UNITS = 64 * 1024;

/** A text in pieces that each fit a chunk, none ending inside a character. */
export function pieces(text: string): string[] {
  const found: string[] = [];
  for (let at = 0; at < text.length; ) {
    const cut = at + CHUNK_UNITS;
    const end = isHighSurrogate(text.charCodeAt(cut - 1)) ? cut - 1 : cut;
    found.push(text.slice(at, end));
    at = end;
  }
  return found;
}

const isHighSurrogate = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdbff;
