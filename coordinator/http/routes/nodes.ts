/** `/api/nodes`: the hosts of the fleet, and what is to take no more work. */
import { createRoute } from '@hono/zod-openapi';
import { z } from 'zod';
import { NameSchema } from '../../../protocol/agent.ts';
import { CcliError } from '../../../protocol/errors.ts';
import { DrainNodeReplySchema, NodesReplySchema, NodeViewSchema } from '../../../protocol/operation.ts';
import { contextOf, type Door, type DoorApp } from '../door.ts';
import { OF_BODIES, problemResponses } from './problem-responses.ts';

const tags = ['Nodes'];
const params = z.object({ node: NameSchema });
const NodeSchema = NodeViewSchema.meta({ id: 'Node' });

const listRoute = createRoute({
  method: 'get',
  path: '/api/nodes',
  operationId: 'listNodes',
  summary: 'List the nodes',
  tags,
  responses: {
    200: {
      description: 'All that were seen, also those that are silent now.',
      content: {
        'application/json': {
          schema: NodesReplySchema.extend({ nodes: z.array(NodeSchema) }).meta({ id: 'NodeList' }),
        },
      },
    },
    ...problemResponses(),
  },
});

const showRoute = createRoute({
  method: 'get',
  path: '/api/nodes/{node}',
  operationId: 'getNode',
  summary: 'Show a node',
  tags,
  request: { params },
  responses: {
    200: { description: 'The node.', content: { 'application/json': { schema: NodeSchema } } },
    ...problemResponses('node_unknown'),
  },
});

const drained = {
  description: 'How far it is.',
  content: { 'application/json': { schema: DrainNodeReplySchema.meta({ id: 'NodeDrain' }) } },
};

const drainRoute = createRoute({
  method: 'post',
  path: '/api/nodes/{node}/drain',
  operationId: 'drainNode',
  summary: 'Give a node nothing new',
  description: 'What runs there goes on. Asked again, it tells how far the node is.',
  tags,
  request: {
    params,
    body: {
      content: {
        'application/json': {
          schema: z
            .strictObject({ drain: z.boolean().optional().describe('False: it takes work again.') })
            .meta({ id: 'NodeDrainRequest' }),
        },
      },
    },
  },
  responses: { 200: drained, ...problemResponses(...OF_BODIES, 'node_unknown', 'no_coordinator') },
});

const resumeRoute = createRoute({
  method: 'post',
  path: '/api/nodes/{node}/resume',
  operationId: 'resumeNode',
  summary: 'Let a node take work again',
  tags,
  request: { params },
  responses: { 200: drained, ...problemResponses('node_unknown', 'no_coordinator') },
});

export function registerNodeRoutes(app: DoorApp, { operations }: Door): void {
  app.openapi(listRoute, async c => c.json(await operations.nodes({}, contextOf(c)), 200));

  app.openapi(showRoute, async c => {
    const { node: name } = c.req.valid('param');
    const { nodes } = await operations.nodes({}, contextOf(c));
    const found = nodes.find(({ node }) => node === name);
    if (found === undefined) throw new CcliError('node_unknown', `No node is called "${name}".`);
    return c.json(found, 200);
  });

  app.openapi(drainRoute, async c => {
    const { drain = true } = c.req.valid('json');
    const { node } = c.req.valid('param');
    return c.json(await operations.drain({ node, drain }, contextOf(c)), 200);
  });

  app.openapi(resumeRoute, async c => {
    const { node } = c.req.valid('param');
    return c.json(await operations.drain({ node, drain: false }, contextOf(c)), 200);
  });
}
