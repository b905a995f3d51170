/** `/api/agents`: the agents of the fleet, and what an operator does with one. */
import { createRoute } from '@hono/zod-openapi';
import { z } from 'zod';
import { AgentTypeSchema, NameSchema, SpecialtySchema } from '../../../protocol/agent.ts';
import {
  type AgentView,
  RemoveAgentReplySchema,
  TestAgentReplySchema,
  VerifyAgentReplySchema,
} from '../../../protocol/operation.ts';
import { contextOf, type Door, type DoorApp } from '../door.ts';
import { AgentSchema, toAgent } from '../views/agent.ts';
import { ChangeAgentSchema, TestAgentSchema, VerifyAgentSchema } from '../views/agent-request.ts';
import { registerAgentDrain } from './agent-drain.ts';
import { registerAgentRegistration } from './agent-registration.ts';
import { AgentReplySchema, agentCalled, IdSchema, NodeQuerySchema, TAGS } from './agent-route.ts';
import { OF_BODIES, problemResponses } from './problem-responses.ts';

const FilterSchema = z.strictObject({
  agent_type: AgentTypeSchema.optional(),
  node: NameSchema.optional(),
  specialty: SpecialtySchema.optional(),
  available: z
    .enum(['true', 'false'])
    .transform(word => word === 'true')
    .optional()
    .describe('`true`: only those a task would be placed on now. `false`: only the others.'),
});

const AgentTestSchema = TestAgentReplySchema.extend({ agent: AgentSchema }).meta({ id: 'AgentTest' });
const AgentVerificationSchema = VerifyAgentReplySchema.meta({ id: 'AgentVerification' });

const json = <T extends z.ZodType>(schema: T) => ({ 'application/json': { schema } });
const request = { params: IdSchema, query: NodeQuerySchema };

const listRoute = createRoute({
  method: 'get',
  path: '/api/agents',
  operationId: 'listAgents',
  summary: 'The agents of the fleet',
  tags: TAGS,
  request: { query: FilterSchema },
  responses: {
    200: {
      description: 'By id.',
      content: json(z.object({ agents: z.array(AgentSchema) }).meta({ id: 'AgentList' })),
    },
    ...problemResponses(),
  },
});

const showRoute = createRoute({
  method: 'get',
  path: '/api/agents/{id}',
  operationId: 'getAgent',
  summary: 'One agent',
  tags: TAGS,
  request,
  responses: {
    200: { description: 'The agent as it is now.', content: json(AgentSchema) },
    ...problemResponses('agent_unknown'),
  },
});

const changeRoute = createRoute({
  method: 'patch',
  path: '/api/agents/{id}',
  operationId: 'changeAgent',
  summary: 'Change settings of a registered agent',
  description: "Only what is given changes; `null` gives a setting back to the node's own file.",
  tags: TAGS,
  request: { ...request, body: { required: true, content: json(ChangeAgentSchema) } },
  responses: {
    200: { description: 'The agent once its node has taken the change up.', content: json(AgentReplySchema) },
    ...problemResponses(...OF_BODIES, 'agent_unknown', 'agent_not_registered', 'store_full'),
  },
});

const removeRoute = createRoute({
  method: 'delete',
  path: '/api/agents/{id}',
  operationId: 'removeAgent',
  summary: 'Take an agent out of the registry',
  description: "Tasks that run on it go on. One that its node's file names stays there, as `discovered`.",
  tags: TAGS,
  request,
  responses: {
    200: { description: 'It is out of the registry.', content: json(RemoveAgentReplySchema) },
    ...problemResponses('agent_unknown', 'agent_not_registered', 'store_full'),
  },
});

const switchRoute = <P extends 'enable' | 'disable'>(verb: P) =>
  createRoute({
    method: 'post',
    path: `/api/agents/{id}/${verb}` as const,
    operationId: `${verb}Agent`,
    summary: verb === 'enable' ? 'Give it work again' : 'Give it no more work',
    description: verb === 'disable' ? 'Tasks that run on it go on.' : 'Safe to repeat.',
    tags: TAGS,
    request,
    responses: {
      200: {
        description: 'The agent once its node has taken the change up.',
        content: json(AgentReplySchema),
      },
      ...problemResponses('agent_unknown', 'agent_not_registered', 'store_full'),
    },
  });

const testRoute = createRoute({
  method: 'post',
  path: '/api/agents/{id}/test',
  operationId: 'testAgent',
  summary: 'Look whether an agent can answer',
  description:
    'Its node looks at it afresh and, unless `canary` is false, sends a short prompt through it. The answer is 200 also when the agent fails its test: `ok` tells.',
  tags: TAGS,
  request: { ...request, body: { content: json(TestAgentSchema) } },
  responses: {
    200: { description: 'What was found.', content: json(AgentTestSchema) },
    ...problemResponses(...OF_BODIES, 'agent_unknown', 'node_lost'),
  },
});

const verifyRoute = createRoute({
  method: 'post',
  path: '/api/agents/{id}/verify',
  operationId: 'verifyAgent',
  summary: 'Run the compatibility suite through an agent',
  description:
    'Takes minutes, and several model calls. The agent need not be of the version it is pinned to.',
  tags: TAGS,
  request: { ...request, body: { content: json(VerifyAgentSchema) } },
  responses: {
    200: { description: 'Each check with its outcome.', content: json(AgentVerificationSchema) },
    ...problemResponses(...OF_BODIES, 'agent_unknown', 'not_permitted', 'node_lost', 'draining'),
  },
});

export function registerAgentRoutes(app: DoorApp, door: Door): void {
  const { operations } = door;

  app.openapi(listRoute, async c => {
    const { agents } = await operations.agents({}, contextOf(c));
    const fits = fitting(c.req.valid('query'));
    return c.json({ agents: agents.filter(fits).map(toAgent) }, 200);
  });

  app.openapi(showRoute, async c => {
    const agent = await agentCalled(door, { ...c.req.valid('param'), ...c.req.valid('query') }, contextOf(c));
    return c.json(toAgent(agent), 200);
  });

  registerAgentRegistration(app, door);
  registerAgentDrain(app, door);

  app.openapi(changeRoute, async c => {
    const { specialty, ...changes } = c.req.valid('json');
    const named = { agent_id: c.req.valid('param').id, ...c.req.valid('query') };
    const specialties = typeof specialty === 'string' ? [specialty] : specialty;
    const { agent } = await operations.update(
      { ...named, ...changes, ...(specialties !== undefined && { specialty: specialties }) },
      contextOf(c),
    );
    return c.json({ agent: toAgent(agent) }, 200);
  });

  app.openapi(removeRoute, async c => {
    const named = { agent_id: c.req.valid('param').id, ...c.req.valid('query') };
    return c.json(await operations.remove(named, contextOf(c)), 200);
  });

  for (const verb of ['enable', 'disable'] as const) {
    app.openapi(switchRoute(verb), async c => {
      const named = { agent_id: c.req.valid('param').id, ...c.req.valid('query') };
      const { agent } = await operations.update({ ...named, enabled: verb === 'enable' }, contextOf(c));
      return c.json({ agent: toAgent(agent) }, 200);
    });
  }

  app.openapi(testRoute, async c => {
    const named = { agent_id: c.req.valid('param').id, ...c.req.valid('query') };
    const { canary = true } = c.req.valid('json');
    const { agent, ...found } = await operations.test({ ...named, canary }, contextOf(c));
    return c.json({ ...found, agent: toAgent(agent) }, 200);
  });

  app.openapi(verifyRoute, async c => {
    const named = { agent_id: c.req.valid('param').id, ...c.req.valid('query') };
    return c.json(await operations.verify({ ...named, ...c.req.valid('json') }, contextOf(c)), 200);
  });
}

const fitting =
  ({ agent_type, node, specialty, available }: z.infer<typeof FilterSchema>) =>
  (agent: AgentView): boolean =>
    (agent_type ?? agent.agent_type) === agent.agent_type &&
    (node ?? agent.node) === agent.node &&
    (specialty === undefined || agent.specialty.includes(specialty)) &&
    (available ?? agent.available) === agent.available;
