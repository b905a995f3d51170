/** `/api/tasks`: submit, list, show, cancel, retry, and follow. */
import { createRoute } from '@hono/zod-openapi';
import { errorFields } from '../../../protocol/daemon/log.ts';
import { CcliError } from '../../../protocol/errors.ts';
import type { TaskView } from '../../../protocol/operation.ts';
import { isTerminal } from '../../../protocol/task.ts';
import type { CallContext } from '../../caller.ts';
import type { Operations } from '../../operations.ts';
import { contextOf, type Door, type DoorApp } from '../door.ts';
import { bodyDone } from '../held-body.ts';
import { TaskListSchema, TaskSchema } from '../views/task.ts';
import { TaskListQuerySchema, TaskPathSchema, TaskShowQuerySchema } from '../views/task-query.ts';
import { IdempotencyHeaderSchema, readTaskRequest, TaskRequestSchema } from '../views/task-request.ts';
import { whileOpen } from '../while-open.ts';
import { badEnd, badEndProblem } from './bad-end.ts';
import { problemResponses } from './problem-responses.ts';
import { showTask, taskAddress } from './show-task.ts';
import { registerTaskActions } from './task-actions.ts';
import { registerTaskEvents } from './task-events.ts';
import { taskProblem } from './task-problem.ts';
import { registerTaskResponse } from './task-response.ts';

const tags = ['Tasks'];
const task = (description: string) => ({
  description,
  content: { 'application/json': { schema: TaskSchema } },
});

const location = {
  Location: { description: 'Where the task is to be seen.', schema: { type: 'string' as const } },
};

const submitRoute = createRoute({
  method: 'post',
  path: '/api/tasks',
  operationId: 'submitTask',
  summary: 'Submit a task, and wait for its end if wanted',
  description:
    'A task that is accepted is durable: hanging up does not cancel it. With `wait`, a task that fails or is cancelled ' +
    'is answered as a problem, which names its `task_id` and `attempts`; so is one whose answer cannot be ' +
    'had at the moment: it is at `Location` later.',
  tags,
  request: {
    headers: IdempotencyHeaderSchema,
    body: { required: true, content: { 'application/json': { schema: TaskRequestSchema } } },
  },
  responses: {
    200: { ...task('With `wait`: the task was completed.'), headers: location },
    202: { ...task('The task is accepted; with `wait`: it has not ended yet.'), headers: location },
    ...problemResponses(
      'message_too_large',
      'unsupported_media_type',
      'prompt_empty',
      'prompt_too_large',
      'idempotency_conflict',
      'agent_unknown',
      'no_agent_fits',
      'no_agents',
      'agent_disabled',
      'agent_not_registered',
      'store_full',
      'overloaded',
    ),
    default: badEndProblem,
  },
});

const listRoute = createRoute({
  method: 'get',
  path: '/api/tasks',
  operationId: 'listTasks',
  summary: 'List tasks, newest first',
  tags,
  request: { query: TaskListQuerySchema },
  responses: {
    200: {
      description: 'A page of tasks, without their answers.',
      content: { 'application/json': { schema: TaskListSchema } },
      headers: {
        Link: { description: '`<...>; rel="next"` unless it is the last page.', schema: { type: 'string' } },
      },
    },
    ...problemResponses(),
  },
});

const showRoute = createRoute({
  method: 'get',
  path: '/api/tasks/{id}',
  operationId: 'getTask',
  summary: 'Show a task, once it has ended if wanted',
  tags,
  request: { params: TaskPathSchema, query: TaskShowQuerySchema },
  responses: { 200: task('The task as it stands.'), ...problemResponses('task_unknown', 'overloaded') },
});

/** By itself, so that nothing of a prompt stays in whoever then waits for the answer. */
async function accept(
  operations: Operations,
  { submit, wait_ms }: ReturnType<typeof readTaskRequest>,
  context: CallContext,
): Promise<{ readonly accepted: TaskView; readonly wait_ms: number | undefined }> {
  return { accepted: await operations.submit(submit, context), wait_ms };
}

export function registerTaskRoutes(app: DoorApp, door: Door): void {
  const { operations } = door;

  app.openapi(submitRoute, async c => {
    const context = contextOf(c);
    const { accepted, wait_ms } = await accept(
      operations,
      readTaskRequest(c.req.valid('json'), c.req.valid('header')['Idempotency-Key']),
      context,
    );
    // It may wait for an hour; its prompt is in the store.
    bodyDone(c);
    const { task_id } = accepted;
    const view =
      wait_ms === undefined
        ? accepted
        : await whileOpen(door, context, waiting => operations.get({ task_id, wait_ms }, waiting));
    const headers = { Location: taskAddress(view.task_id) };
    const awaited = wait_ms !== undefined && isTerminal(view.status);
    const bad = awaited ? badEnd(c, view, headers) : undefined;
    if (bad !== undefined) return bad;
    try {
      return c.json(await showTask(door, view, c), awaited ? 200 : 202, headers);
    } catch (error) {
      // There is a task all the same, and whoever submitted it must be able to find it.
      if (!(error instanceof CcliError)) throw error;
      door.log.warn('answer_not_shown', { task_id: view.task_id, ...errorFields(error) });
      return taskProblem(c, error, { task: view, headers });
    }
  });

  app.openapi(listRoute, async c => {
    const page = await operations.list(c.req.valid('query'), contextOf(c));
    if (page.next_cursor !== undefined) {
      const { pathname, searchParams } = new URL(c.req.url);
      searchParams.set('cursor', page.next_cursor);
      c.header('Link', `<${pathname}?${searchParams.toString()}>; rel="next"`);
    }
    return c.json(page, 200);
  });

  app.openapi(showRoute, async c => {
    const context = contextOf(c);
    const { wait } = c.req.valid('query');
    const request = {
      task_id: c.req.valid('param').id,
      ...(wait !== undefined && { wait_ms: Math.ceil(wait * 1000) }),
    };
    const view = await whileOpen(door, context, waiting => operations.get(request, waiting));
    return c.json(await showTask(door, view, c), 200);
  });

  registerTaskActions(app, door);
  registerTaskResponse(app, door);
  registerTaskEvents(app, door);
}
