/** `GET /api/tasks/{id}/events`: a task to its end, as server-sent events. */
import { createRoute } from '@hono/zod-openapi';
import { z } from 'zod';
import { PositionSchema, TaskStreamEventSchema } from '../../../protocol/stream.ts';
import { contextOf, type Door, type DoorApp } from '../door.ts';
import { eventStream, streamHead } from '../sse.ts';
import { END_ID, taskEventBytes } from '../sse-encoding.ts';
import { TaskPathSchema } from '../views/task-query.ts';
import { problemResponses } from './problem-responses.ts';

/** A browser that comes back for the first time has an empty one. */
const LastPositionSchema = z.enum(['', END_ID]).or(PositionSchema);

const route = createRoute({
  method: 'get',
  path: '/api/tasks/{id}/events',
  operationId: 'followTask',
  summary: 'Follow a task: its states, its answer as it comes, its result',
  description:
    'Server-sent events. The name of each is its `event`, its data the object below, its id the position from which ' +
    'a reader who comes back goes on. After `result` nothing more comes: a browser that comes back by itself gets a 204 ' +
    'and stays away. After `closed`, come back with the last id.',
  tags: ['Tasks'],
  request: {
    params: TaskPathSchema,
    query: z.strictObject({
      after: PositionSchema.optional().describe('Go on from this position; `Last-Event-ID` comes before it.'),
    }),
    headers: z.object({ 'Last-Event-ID': LastPositionSchema.optional() }),
  },
  responses: {
    200: {
      description: 'The events.',
      content: { 'text/event-stream': { schema: TaskStreamEventSchema.meta({ id: 'TaskEvent' }) } },
    },
    204: { description: 'The reader has seen the `result`: there is nothing more.' },
    ...problemResponses('task_unknown', 'too_many_streams'),
  },
});

export function registerTaskEvents(app: DoorApp, door: Door): void {
  app.openapi(route, async c => {
    const { id: task_id } = c.req.valid('param');
    const last = c.req.valid('header')['Last-Event-ID'];
    if (last === END_ID) return c.body(null, 204);
    const after = last === undefined || last === '' ? c.req.valid('query').after : last;
    if (c.req.method === 'HEAD') {
      await door.operations.get({ task_id }, contextOf(c));
      return streamHead(c);
    }
    return await eventStream(c, door, {
      open: context => door.streams.task({ task_id, ...(after !== undefined && { after }) }, context),
      encode: taskEventBytes,
      beginsAtOnce: true,
    });
  });
}
