/** A prompt together with what was said before it in its session, as one text. */
import { z } from 'zod';

export const TurnSchema = z.object({ prompt: z.string(), response: z.string() });
export type Turn = z.infer<typeof TurnSchema>;

export const ConversationSchema = z.object({
  /** Oldest first. */
  turns: z.array(TurnSchema),
  /** How many still older turns were left out, because the agent takes no longer prompt. */
  dropped: z.int().nonnegative(),
  prompt: z.string(),
});
export type Conversation = z.infer<typeof ConversationSchema>;
