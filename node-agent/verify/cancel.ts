/** A prompt that runs ends when it is told to. The driver's own word is that nothing of it is left by then. */
import { CcliError } from '../../protocol/errors.ts';
import { type Check, failedAs, failedWith, passed, skipped } from './check.ts';

/** The kill ladder, and a look around at its end. */
const LONGEST_MS = 15_000;

export const checkCancel: Check = async ({ run }) => {
  const interrupt = { after_ms: 2_000, reason: new CcliError('cancelled') };
  const end = await run('Write a story of two thousand words about a lighthouse.', { interrupt });
  if (end.failure === undefined) return skipped('The answer was whole before it could be told to stop.');
  if (end.failure.code !== 'cancelled') return failedWith(end.failure);
  const { ending_ms = 0 } = end;
  return ending_ms <= LONGEST_MS
    ? passed(`It ended ${ending_ms} ms after it was told to.`)
    : failedAs('cli_silent', `It took ${ending_ms} ms to end after it was told to.`);
};
