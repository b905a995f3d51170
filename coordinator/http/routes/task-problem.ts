/** A problem about a task that there is: what is needed to look at it comes along. */
import type { Context } from 'hono';
import type { CcliError } from '../../../protocol/errors.ts';
import type { TaskView } from '../../../protocol/operation.ts';
import type { DoorEnv } from '../door.ts';
import { PROBLEM_TYPE, problemHeaders, problemOf } from '../problem.ts';

interface About {
  readonly task: Pick<TaskView, 'task_id' | 'status' | 'attempts'>;
  readonly headers?: Readonly<Record<string, string>>;
}

export function taskProblem(c: Context<DoorEnv>, error: CcliError, { task, headers = {} }: About): Response {
  const told = problemOf(error, c.get('request_id'));
  const { task_id, status, attempts } = task;
  // `status` of a problem is that of HTTP.
  const body = { ...told, task_id, task_status: status, attempts };
  return new Response(JSON.stringify(body), {
    status: told.status,
    headers: { ...headers, ...problemHeaders(told), 'content-type': PROBLEM_TYPE },
  });
}
