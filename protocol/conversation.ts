/** A prompt together with what was said before it, and how it is to be answered, as one text. */
import { z } from 'zod';

export const TurnSchema = z.object({ prompt: z.string(), response: z.string() });
export type Turn = z.infer<typeof TurnSchema>;

/** The answer is to be JSON, of this JSON Schema when one is given. */
export const FormatSchema = z.union([z.literal('json'), z.record(z.string(), z.unknown())]);
export type Format = z.infer<typeof FormatSchema>;

export const ConversationSchema = z.object({
  /** What stands above the conversation: a system message. */
  instructions: z.string().optional(),
  /** Oldest first. */
  turns: z.array(TurnSchema),
  /** How many still older turns were left out, because the agent takes no longer prompt. */
  dropped: z.int().nonnegative(),
  prompt: z.string(),
  /** For agents that can hold their model to it; the instructions ask for it besides. */
  format: FormatSchema.optional(),
});
export type Conversation = z.infer<typeof ConversationSchema>;
