/** One prompt through the fleet, as `ccli run` sends it: listen, submit, wait for the end. */
import { CcliError, fromErrorBody, toErrorBody } from '../../protocol/errors.ts';
import type { TaskView } from '../../protocol/operation.ts';
import type { TaskOptions } from '../../protocol/task.ts';
import type { Operations } from '../operations.ts';
import { submitPrompt } from '../stream/transfer.ts';
import { waitForEnd } from '../stream/wait-for-end.ts';
import { newTaskId } from '../task-id.ts';
import type { Sample } from './measure.ts';

/** A fleet, as far as a measurement needs it. */
export interface Road {
  readonly operations: Operations;
  readonly caller: string;
  /** Calls back for each piece of the answer; returns how to stop. The server has it before what is sent later on. */
  readonly listen: (task_id: string, onChunk: () => void) => () => void;
}

export interface Question {
  readonly prompt: string;
  readonly options: TaskOptions;
}

export interface Asked extends Sample {
  readonly view: TaskView;
}

const CANCEL_PATIENCE_MS = 5_000;

/** @throws CcliError why the task did not complete; what `signal` was aborted with, once the task is cancelled */
export async function ask(road: Road, question: Question, signal: AbortSignal): Promise<Asked> {
  const { operations, caller } = road;
  const task_id = newTaskId();
  let first_chunk_ms: number | undefined;
  const began = performance.now();
  const stop = road.listen(task_id, () => {
    first_chunk_ms ??= performance.now() - began;
  });
  try {
    // One attempt: a failure that a second try hides is a failure, and its time would be that of both.
    const options = { ...question.options, max_attempts: 1 };
    await submitPrompt(operations, { task_id, prompt: question.prompt, options }, { caller, signal });
    const view = await waitForEnd(operations, { task_id, caller, signal });
    const whole_ms = performance.now() - began;
    if (view.status !== 'completed')
      throw fromErrorBody(view.error ?? toErrorBody(new CcliError('cancelled')));
    return { whole_ms, ...(first_chunk_ms !== undefined && { first_chunk_ms }), view };
  } catch (error) {
    if (!signal.aborted) throw error;
    await cancel(road, task_id);
    throw error;
  } finally {
    stop();
  }
}

/** @throws CcliError `cancelled` naming a task that may still run */
async function cancel({ operations, caller }: Road, task_id: string): Promise<void> {
  try {
    await operations.cancel({ task_id }, { caller, signal: AbortSignal.timeout(CANCEL_PATIENCE_MS) });
  } catch (cause) {
    // Interrupted before it was submitted: there is nothing to cancel.
    if (cause instanceof CcliError && cause.code === 'task_unknown') return;
    throw new CcliError(
      'cancelled',
      `Task ${task_id} may still run; \`ccli task cancel ${task_id}\` stops it.`,
      { cause },
    );
  }
}
