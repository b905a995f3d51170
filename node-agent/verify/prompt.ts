/** A question is answered. */
import { type Check, failedWith, passed, quoted } from './check.ts';

export const checkPrompt: Check = async ({ run }) => {
  const end = await run('Reply with the single word OK.');
  return end.failure === undefined ? passed(`It answered ${quoted(end.text)}.`) : failedWith(end.failure);
};
