/**
 * A finished task once more, as a new one that names it: through the same door as any other, so that it is checked and
 * placed as the fleet stands now. It belongs to whoever asks for it.
 */
import { CcliError } from '../protocol/errors.ts';
import type { OperationRequest } from '../protocol/operation.ts';
import { isTerminal, type TaskOptions } from '../protocol/task.ts';
import type { CallContext } from './caller.ts';
import type { TaskStore } from './store.ts';
import { wholeText } from './stored-text.ts';
import type { Submit } from './submit.ts';
import type { TaskEntry } from './task-entry.ts';

export type RetryTask = (request: OperationRequest<'retry'>, context: CallContext) => Promise<TaskEntry>;

interface RetryTaskOptions {
  /** @throws CcliError `task_unknown` */
  readonly find: (task_id: string) => Promise<TaskEntry>;
  readonly store: Pick<TaskStore, 'request' | 'promptSlice'>;
  readonly submit: Submit;
}

/** @returns one that throws CcliError `task_unknown`, `task_not_finished`, and what a submit throws. */
export function createRetryTask({ find, store, submit }: RetryTaskOptions): RetryTask {
  return async ({ task_id, new_task_id }, context) => {
    const { state, seq } = await find(task_id);
    if (!isTerminal(state.status))
      throw new CcliError(
        'task_not_finished',
        `Task ${task_id} is still ${state.status}; wait for its end, or cancel it first.`,
      );
    const found = await store.request(task_id);
    if (found?.revision !== seq) throw purged(task_id);
    const { request } = found;
    const prompt = await wholeText(request.prompt, index => store.promptSlice(request, index));
    if (prompt === undefined) throw purged(task_id);
    return await submit(
      {
        ...optionsAgain(request.options),
        prompt,
        retry_of: task_id,
        ...(request.conversation !== undefined && { conversation: request.conversation }),
        ...(new_task_id !== undefined && { task_id: new_task_id }),
      },
      context,
    );
  };
}

/** It stays in the group of a coordination, which has its answers already and knows nothing of another one. */
const optionsAgain = ({ coordination: _asked, ...options }: TaskOptions): TaskOptions => options;

const purged = (task_id: string): CcliError =>
  new CcliError('task_unknown', `Task ${task_id} has been purged meanwhile; submit its prompt anew.`);
