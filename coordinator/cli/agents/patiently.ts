/** What takes long, with a word about it on stderr, until it is done or Ctrl-C. */
import { CcliError } from '../../../protocol/errors.ts';
import type { CallContext } from '../../caller.ts';
import type { Operations } from '../../operations.ts';
import { CALLER, type Cli } from '../cli.ts';
import { takeInterrupts } from '../interrupts.ts';
import type { CommonFlags } from '../options.ts';
import { type Progress, silentProgress } from '../progress.ts';

interface PatientWork<T> {
  readonly work: (operations: Operations, context: CallContext, progress: Progress) => Promise<T>;
  /** Said after Ctrl-C. */
  readonly interrupted: string;
}

/** @throws CcliError whatever `work` throws; `cancelled` when interrupted */
export async function patiently<T>(
  cli: Cli,
  flags: CommonFlags,
  { work, interrupted }: PatientWork<T>,
): Promise<T> {
  return await cli.withClient(flags, async ({ operations }) => {
    const interrupts = takeInterrupts(cli.io);
    const progress = flags.json === true ? silentProgress : cli.progress(flags);
    try {
      return await work(operations, { caller: CALLER, signal: interrupts.first }, progress);
    } catch (error) {
      if (interrupts.first.aborted) throw new CcliError('cancelled', interrupted);
      throw error;
    } finally {
      interrupts.release();
      progress.pause();
    }
  });
}
