/** `GET /api/tasks/{id}/response`: the answer alone, as text. */
import { createRoute } from '@hono/zod-openapi';
import { z } from 'zod';
import { errorFields } from '../../../protocol/daemon/log.ts';
import { CcliError } from '../../../protocol/errors.ts';
import { isTerminal } from '../../../protocol/task.ts';
import { contextOf, type Door, type DoorApp } from '../door.ts';
import { TaskPathSchema } from '../views/task-query.ts';
import { badEnd, badEndProblem } from './bad-end.ts';
import { problemResponses } from './problem-responses.ts';

const TEXT = 'text/plain; charset=utf-8';

const route = createRoute({
  method: 'get',
  path: '/api/tasks/{id}/response',
  operationId: 'getTaskResponse',
  summary: 'The answer of a task alone, as text',
  description: 'Of a task that failed or was cancelled, its error as a problem.',
  tags: ['Tasks'],
  request: { params: TaskPathSchema },
  responses: {
    200: { description: 'The whole answer.', content: { 'text/plain': { schema: z.string() } } },
    ...problemResponses('task_unknown', 'task_not_finished'),
    default: badEndProblem,
  },
});

export function registerTaskResponse(app: DoorApp, door: Door): void {
  app.openapi(route, async c => {
    const context = contextOf(c);
    const view = await door.operations.get({ task_id: c.req.valid('param').id }, context);
    if (!isTerminal(view.status)) {
      throw new CcliError('task_not_finished', `The task is ${view.status}; wait for its end.`);
    }
    const bad = badEnd(c, view);
    if (bad !== undefined) return bad;
    const { task_id, response = '', response_ref } = view;
    if (response_ref === undefined) return c.body(response, 200, { 'content-type': TEXT });
    const headers = { 'content-type': TEXT, 'content-length': String(response_ref.size_bytes) };
    if (c.req.method === 'HEAD') return c.body(null, 200, headers);
    const fetchSlice = async (index: number): Promise<Uint8Array> => {
      const { data } = await door.operations.download({ task_id, index }, context);
      return Buffer.from(data, 'base64');
    };
    const broken = (error: unknown): void => {
      door.log.warn('response_broken_off', { task_id, ...errorFields(error) });
      // The answer is shorter than announced: whoever reads it sees that.
      c.env.outgoing?.destroy();
    };
    // An answer that is gone is refused while that can still be said.
    const first = await fetchSlice(0);
    return c.body(inSlices(first, response_ref.slices, { fetchSlice, broken }), 200, headers);
  });
}

interface Slices {
  readonly fetchSlice: (index: number) => Promise<Uint8Array>;
  readonly broken: (error: unknown) => void;
}

/** Each slice is fetched when the one before it was taken. */
function inSlices(
  first: Uint8Array,
  count: number,
  { fetchSlice, broken }: Slices,
): ReadableStream<Uint8Array> {
  let index = 0;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          controller.enqueue(index === 0 ? first : await fetchSlice(index));
          index += 1;
          if (index === count) controller.close();
        } catch (error) {
          broken(error);
        }
      },
    },
    { highWaterMark: 0 },
  );
}
