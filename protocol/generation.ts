/** How a model is to sample its answer. An agent honours what its tool can be told, and passes over the rest. */
import { z } from 'zod';

export const GenerationSchema = z
  .object({
    max_tokens: z.int().positive().max(10_000_000).optional(),
    temperature: z.number().min(0).max(2).optional(),
    top_p: z.number().min(0).max(1).optional(),
    /** The answer ends before the first of them. */
    stop: z.array(z.string().min(1).max(256)).max(4).optional(),
    seed: z.int().optional(),
  })
  .strict();
export type Generation = z.infer<typeof GenerationSchema>;
