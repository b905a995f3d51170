/** `GET /api/events`: what happens in the fleet, as server-sent events. */
import { createRoute } from '@hono/zod-openapi';
import { z } from 'zod';
import { EventSchema } from '../../../protocol/event.ts';
import type { FleetStreamEvent } from '../../../protocol/stream.ts';
import type { Door, DoorApp } from '../door.ts';
import { eventStream, streamHead } from '../sse.ts';
import { fleetEventBytes } from '../sse-encoding.ts';
import { severalOf } from '../views/task-query.ts';
import { problemResponses } from './problem-responses.ts';

const KINDS = ['task', 'node', 'agent', 'placement'] as const;

const SeqSchema = z
  .string()
  .regex(/^\d{1,15}$/, 'the id of an event, such as "17"')
  .transform(Number);

const route = createRoute({
  method: 'get',
  path: '/api/events',
  operationId: 'followFleet',
  summary: 'Follow what happens in the fleet',
  description:
    'Server-sent events, from now on or after the event with the id given. Each is named after its `kind`; `gap` says ' +
    'that so many are no longer kept, `closed` that the stream ends and why.',
  tags: ['Fleet'],
  request: {
    query: z.strictObject({
      kind: severalOf(KINDS).optional().describe('Only these; several separated by commas.'),
      after: SeqSchema.optional().describe('Go on after this event; `Last-Event-ID` comes before it.'),
    }),
    headers: z.object({ 'Last-Event-ID': z.literal('').or(SeqSchema).optional() }),
  },
  responses: {
    200: {
      description: 'The events.',
      content: { 'text/event-stream': { schema: EventSchema.meta({ id: 'FleetEvent' }) } },
    },
    ...problemResponses('too_many_streams'),
  },
});

export function registerEventRoutes(app: DoorApp, door: Door): void {
  app.openapi(route, async c => {
    if (c.req.method === 'HEAD') return streamHead(c);
    const query = c.req.valid('query');
    const last = c.req.valid('header')['Last-Event-ID'];
    const after = last === undefined || last === '' ? query.after : last;
    const wanted = new Set<string>(query.kind ?? KINDS);
    return await eventStream<FleetStreamEvent>(c, door, {
      open: context => door.streams.fleet({ ...(after !== undefined && { after }) }, context),
      encode: event =>
        event.event !== 'fleet' || wanted.has(event.fleet.kind)
          ? fleetEventBytes(event)
          : { passed: String(event.seq) },
      beginsAtOnce: false,
    });
  });
}
