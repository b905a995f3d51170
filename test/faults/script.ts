/** What a prompt tells the tool, or the model, to do. */
import { z } from 'zod';
import { RUN_KINDS } from './kinds.ts';

const ScriptSchema = z.object({
  /** Number of the task within the run of the suite. */
  n: z.int().nonnegative(),
  runs: z.array(z.enum(RUN_KINDS)),
  /** Of the answer. */
  bytes: z.int().positive(),
  /** How long the tool takes over it. */
  work_ms: z.int().nonnegative(),
});
export type Script = z.infer<typeof ScriptSchema>;

const OPENING = 'FAULTS ';
/** What follows is ballast, which makes a prompt too long for one message. */
const CLOSING = ' END';

export const writePrompt = (script: Script, ballast_bytes = 0): string =>
  `${OPENING}${JSON.stringify(script)}${CLOSING}${'.'.repeat(ballast_bytes)}`;

export function readPrompt(prompt: string): Script | undefined {
  const from = prompt.indexOf(OPENING);
  const to = prompt.indexOf(CLOSING, from);
  if (from === -1 || to === -1) return undefined;
  return ScriptSchema.parse(JSON.parse(prompt.slice(from + OPENING.length, to)));
}
