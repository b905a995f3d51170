/** `/api/tasks/{id}/...`: cancel, retry and explain a task. */
import { createRoute } from '@hono/zod-openapi';
import { CcliError } from '../../../protocol/errors.ts';
import { ExplainReplySchema } from '../../../protocol/operation.ts';
import { contextOf, type Door, type DoorApp } from '../door.ts';
import { TaskSchema } from '../views/task.ts';
import { TaskExplainQuerySchema, TaskPathSchema } from '../views/task-query.ts';
import { IdempotencyHeaderSchema } from '../views/task-request.ts';
import { retryId, TaskRetrySchema } from '../views/task-retry.ts';
import { OF_BODIES, problemResponses } from './problem-responses.ts';
import { showTask, taskAddress } from './show-task.ts';

const tags = ['Tasks'];
const content = { 'application/json': { schema: TaskSchema } };

const cancelRoute = createRoute({
  method: 'post',
  path: '/api/tasks/{id}/cancel',
  operationId: 'cancelTask',
  summary: 'Cancel a task',
  description:
    'Waits a little for the end. A task that has ended stays as it is; one that runs where nobody answers ends later.',
  tags,
  request: { params: TaskPathSchema },
  responses: {
    200: { description: 'The task as it then stands.', content },
    ...problemResponses('task_unknown', 'overloaded'),
  },
});

const retryRoute = createRoute({
  method: 'post',
  path: '/api/tasks/{id}/retry',
  operationId: 'retryTask',
  summary: 'Run a finished task again, as a new one',
  tags,
  request: {
    params: TaskPathSchema,
    headers: IdempotencyHeaderSchema,
    body: { content: { 'application/json': { schema: TaskRetrySchema } } },
  },
  responses: {
    202: {
      description: 'The new task; its option `retry_of` names the old one.',
      content,
      headers: { Location: { description: 'Where the new task is to be seen.', schema: { type: 'string' } } },
    },
    ...problemResponses(
      ...OF_BODIES,
      'task_unknown',
      'task_not_finished',
      'idempotency_conflict',
      'prompt_too_large',
      'agent_unknown',
      'no_agent_fits',
      'no_agents',
      'agent_disabled',
      'agent_not_registered',
      'store_full',
      'overloaded',
    ),
  },
});

const explainRoute = createRoute({
  method: 'get',
  path: '/api/tasks/{id}/explain',
  operationId: 'explainTask',
  summary: 'Why this agent, and why not the others',
  tags,
  request: { params: TaskPathSchema, query: TaskExplainQuerySchema },
  responses: {
    200: {
      description: 'Each agent with the reason why it was, or was not, chosen.',
      content: { 'application/json': { schema: ExplainReplySchema.meta({ id: 'Explanation' }) } },
    },
    ...problemResponses('task_unknown'),
  },
});

export function registerTaskActions(app: DoorApp, door: Door): void {
  const { operations } = door;

  app.openapi(cancelRoute, async c => {
    const context = contextOf(c);
    const view = await operations.cancel({ task_id: c.req.valid('param').id }, context);
    return c.json(await showTask(door, view, c), 200);
  });

  app.openapi(retryRoute, async c => {
    const context = contextOf(c);
    const { id } = c.req.valid('param');
    const key = c.req.valid('header')['Idempotency-Key'];
    const { task_id = key === undefined ? undefined : retryId(context.caller, id, key) } =
      c.req.valid('json');
    if (key !== undefined && task_id !== retryId(context.caller, id, key)) {
      throw new CcliError('invalid_request', 'Give the header Idempotency-Key or a task_id, not both.');
    }
    const view = await operations.retry(
      { task_id: id, ...(task_id !== undefined && { new_task_id: task_id }) },
      context,
    );
    const shown = await showTask(door, view, c);
    return c.json(shown, 202, { Location: taskAddress(view.task_id) });
  });

  app.openapi(explainRoute, async c => {
    const { attempt } = c.req.valid('query');
    const request = { task_id: c.req.valid('param').id, ...(attempt !== undefined && { attempt }) };
    return c.json(await operations.explain(request, contextOf(c)), 200);
  });
}
