/** What becomes of a task whose client does not wait for it any more: no client of this API comes back for it. */
import { errorFields } from '../../../protocol/daemon/log.ts';
import { CcliError } from '../../../protocol/errors.ts';
import type { CallContext } from '../../caller.ts';
import { isUnclear } from '../../stream/unclear.ts';
import type { Door } from '../door.ts';

const isClosing = (door: Door, { signal }: CallContext): boolean =>
  door.signal.aborted ||
  (signal.aborted && signal.reason instanceof CcliError && signal.reason.code === 'shutting_down');

/** Why nobody waits any more: for whoever is still there to be told. */
export const whyLeft = (door: Door, context: CallContext): CcliError =>
  isClosing(door, context)
    ? new CcliError(
        'shutting_down',
        'This coordinator is shutting down, and the task is cancelled; ask again in a moment.',
      )
    : new CcliError('cancelled', 'The client hung up; the task is cancelled.');

/** Whether a task may be there although its submit has failed. */
export const mayExist = (error: unknown): boolean =>
  isUnclear(error) || (error instanceof CcliError && error.code === 'store_unavailable');

/** Cancels a task, and waits for that only when the door closes: later there would be nobody to write it down. */
export async function abandonTask(door: Door, task_id: string, context: CallContext): Promise<void> {
  const cancelling = cancelTask(door, task_id, context.caller);
  if (isClosing(door, context)) await cancelling;
}

/** Nobody can be told when it fails but the log. Waits for the end no longer than the door is open. */
async function cancelTask(door: Door, task_id: string, caller: string): Promise<void> {
  try {
    await door.operations.cancel({ task_id }, { caller, signal: door.signal });
  } catch (error) {
    // It was refused before it became a task.
    if (error instanceof CcliError && error.code === 'task_unknown') return;
    door.log.warn('cancel_failed', { task_id, ...errorFields(error) });
  }
}
