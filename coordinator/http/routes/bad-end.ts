/** A task that was asked for its answer and has none. */
import type { Context } from 'hono';
import { CcliError, fromErrorBody } from '../../../protocol/errors.ts';
import type { TaskView } from '../../../protocol/operation.ts';
import type { DoorEnv } from '../door.ts';
import { problem } from '../openapi-problem.ts';
import { taskProblem } from './task-problem.ts';

type Ended = Pick<TaskView, 'task_id' | 'status' | 'attempts' | 'error'>;

const reasonOf = ({ status, error }: Ended): CcliError => {
  if (error !== undefined) return fromErrorBody(error);
  return status === 'cancelled'
    ? new CcliError('cancelled')
    : new CcliError('internal', `The task is ${status} and has no answer.`);
};

interface AnyProblem {
  readonly description: string;
  readonly content: Record<string, ReturnType<typeof problem>['content']['application/problem+json']>;
}

/** For the `default` of a route: a task may end with any error of the table. */
export const badEndProblem: AnyProblem = problem(
  'The task failed or was cancelled: its error, besides with `task_id`, `task_status` and `attempts`.',
);

/** Its error as a problem, with what is needed to look at the task; undefined when it was completed. */
export function badEnd(
  c: Context<DoorEnv>,
  task: Ended,
  headers: Readonly<Record<string, string>> = {},
): Response | undefined {
  if (task.status === 'completed') return undefined;
  return taskProblem(c, reasonOf(task), { task, headers });
}
