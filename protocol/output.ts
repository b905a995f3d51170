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
