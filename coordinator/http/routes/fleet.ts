/** `/api/nodes`, `/api/coordinate`, `/api/status`, `/api/events`: the fleet as a whole. */
import { createRoute } from '@hono/zod-openapi';
import { CoordinateReplySchema, CoordinateRequestSchema } from '../../../protocol/coordination.ts';
import { FleetStatusSchema } from '../../../protocol/operation.ts';
import { contextOf, type Door, type DoorApp } from '../door.ts';
import { whileOpen } from '../while-open.ts';
import { registerEventRoutes } from './events.ts';
import { registerNodeRoutes } from './nodes.ts';
import { OF_BODIES, problemResponses } from './problem-responses.ts';

const coordinateRoute = createRoute({
  method: 'post',
  path: '/api/coordinate',
  operationId: 'coordinate',
  summary: 'Ask several agents at once, and put their answers together',
  description:
    'Answers when all is done, within `budget_ms`. Hanging up only stops the waiting: asked again with the same ' +
    '`coordination_id`, it takes up the parts that are there.',
  tags: ['Coordination'],
  request: {
    body: {
      required: true,
      content: {
        'application/json': { schema: CoordinateRequestSchema.meta({ id: 'CoordinateRequest' }) },
      },
    },
  },
  responses: {
    200: {
      description: 'The parts and the answer; `status` tells whether there is one.',
      content: { 'application/json': { schema: CoordinateReplySchema.meta({ id: 'Coordination' }) } },
    },
    ...problemResponses(
      ...OF_BODIES,
      'prompt_empty',
      'agent_unknown',
      'no_agents',
      'idempotency_conflict',
      'all_parts_failed',
    ),
  },
});

const statusRoute = createRoute({
  method: 'get',
  path: '/api/status',
  operationId: 'getStatus',
  summary: 'The fleet in numbers',
  tags: ['Fleet'],
  responses: {
    200: {
      description: 'As the coordinator that answers sees it.',
      content: { 'application/json': { schema: FleetStatusSchema.meta({ id: 'FleetStatus' }) } },
    },
    ...problemResponses(),
  },
});

export function registerFleetRoutes(app: DoorApp, door: Door): void {
  const { operations } = door;

  app.openapi(coordinateRoute, async c => {
    const request = c.req.valid('json');
    const reply = await whileOpen(door, contextOf(c), waiting => operations.coordinate(request, waiting));
    return c.json(reply, 200);
  });
  app.openapi(statusRoute, async c => c.json(await operations.status({}, contextOf(c)), 200));

  registerNodeRoutes(app, door);
  registerEventRoutes(app, door);
}
