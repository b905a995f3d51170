/** Runs one task to its end for a client that waits; cancels it when that one hangs up, or the door closes. */
import { CcliError, fromErrorBody } from '../../../protocol/errors.ts';
import { MAX_WAIT_MS } from '../../../protocol/limits.ts';
import type { SubmitRequest, TaskView } from '../../../protocol/operation.ts';
import { isTerminal } from '../../../protocol/task.ts';
import type { CallContext } from '../../caller.ts';
import { wholeResponse } from '../../stream/transfer.ts';
import type { Answered } from '../../structured/answer-in-json.ts';
import type { Door } from '../door.ts';
import { whileOpen } from '../while-open.ts';
import { abandonTask, mayExist, whyLeft } from './leaving.ts';

export interface Ran extends Answered {
  readonly agent_id?: string;
}

interface RunOptions {
  readonly request: SubmitRequest & { readonly task_id: string };
  /** The task is there. */
  readonly onAccepted: () => void;
}

/** @throws CcliError what the task was refused for or failed with; `cancelled`, `shutting_down` */
export async function runTask(door: Door, options: RunOptions, context: CallContext): Promise<Ran> {
  return await whileOpen(door, context, async open => {
    const view = await untilItEnds(door, options, context, open);
    const error = errorOf(view);
    if (error !== undefined) throw error;
    const text = (await wholeResponse(door.operations, view, open)) ?? '';
    const { completeness, usage, agent_id } = view;
    return {
      text,
      ...(completeness !== undefined && { completeness }),
      ...(usage !== undefined && { usage }),
      ...(agent_id !== undefined && { agent_id }),
    };
  });
}

async function untilItEnds(
  door: Door,
  { request, onAccepted }: RunOptions,
  context: CallContext,
  open: CallContext,
): Promise<TaskView> {
  const { task_id } = request;
  let accepted = false;
  try {
    let view = await door.operations.submit(request, open);
    accepted = true;
    onAccepted();
    while (!isTerminal(view.status)) {
      if (open.signal.aborted) throw whyLeft(door, context);
      view = await door.operations.get({ task_id, wait_ms: MAX_WAIT_MS }, open);
    }
    return view;
  } catch (error) {
    // What is not known to have ended may run on for nobody.
    if (accepted || open.signal.aborted || mayExist(error)) await abandonTask(door, task_id, context);
    throw error;
  }
}

/** What stopped a task that did not complete. */
export function errorOf({ status, error }: Pick<TaskView, 'status' | 'error'>): CcliError | undefined {
  if (status === 'completed') return undefined;
  if (status === 'cancelled') return new CcliError('cancelled');
  return error === undefined
    ? new CcliError('internal', 'The task failed without saying why.')
    : fromErrorBody(error);
}
