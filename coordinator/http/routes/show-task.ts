/** Tasks as routes answer with them. */
import type { Context } from 'hono';
import type { TaskView } from '../../../protocol/operation.ts';
import { wholeResponse } from '../../stream/transfer.ts';
import { contextOf, type Door, type DoorEnv } from '../door.ts';
import { type TaskJson, taskJson } from '../views/task.ts';

export const taskAddress = (task_id: string): string => `/api/tasks/${task_id}`;

/**
 * The task with its whole answer, fetched if it is long.
 *
 * @throws CcliError `overloaded` when there is no room for such an answer now, and whatever keeps it from being fetched
 */
export async function showTask(
  { operations, answers }: Door,
  view: TaskView,
  c: Context<DoorEnv>,
): Promise<TaskJson> {
  const context = contextOf(c);
  const outgoing = outgoingOf(c.env);
  // Without a server nobody would say when the answer is out.
  if (view.response_ref !== undefined && outgoing !== undefined) {
    const { client, signal } = c.var;
    answers.take({ client, outgoing, signal }, view.response_ref.size_bytes);
  }
  return taskJson(view, await wholeResponse(operations, view, context));
}

const outgoingOf = (env: DoorEnv['Bindings'] | undefined): DoorEnv['Bindings']['outgoing'] => env?.outgoing;
