/** `POST /api/agents/{id}/drain`: no more work for an agent, and how far it is with what it has. */
import { setTimeout as delay } from 'node:timers/promises';
import { createRoute } from '@hono/zod-openapi';
import { z } from 'zod';
import type { AgentView } from '../../../protocol/operation.ts';
import { contextOf, type Door, type DoorApp } from '../door.ts';
import { AgentSchema, toAgent } from '../views/agent.ts';
import { whileOpen } from '../while-open.ts';
import { agentCalled, IdSchema, NodeQuerySchema, TAGS } from './agent-route.ts';
import { problemResponses } from './problem-responses.ts';

const MAX_WAIT_S = 600;
const LOOK_AGAIN_MS = 250;

const DrainedSchema = z
  .object({
    agent: AgentSchema,
    draining: z.literal(true),
    current_tasks: z.int().nonnegative(),
    drained: z.boolean().describe('Whether nothing runs there any more.'),
  })
  .meta({ id: 'AgentDrain' });

const drainRoute = createRoute({
  method: 'post',
  path: '/api/agents/{id}/drain',
  operationId: 'drainAgent',
  summary: 'Give it no more work, and tell how far it is',
  description:
    'The same as `disable`; asked again, it tells what is still to be done. `enable` gives the agent work again.',
  tags: TAGS,
  request: {
    params: IdSchema,
    query: NodeQuerySchema.extend({
      wait: z.coerce
        .number()
        .min(0)
        .max(MAX_WAIT_S)
        .default(0)
        .describe('Seconds to wait for the last task to end before answering.'),
    }),
  },
  responses: {
    200: { description: 'How far it is.', content: { 'application/json': { schema: DrainedSchema } } },
    ...problemResponses('agent_unknown', 'agent_not_registered', 'store_full'),
  },
});

export function registerAgentDrain(app: DoorApp, door: Door): void {
  app.openapi(drainRoute, async c => {
    const { wait, ...query } = c.req.valid('query');
    const named = { ...c.req.valid('param'), ...query };
    const context = contextOf(c);
    const before = await agentCalled(door, named, context);
    let agent = isSwitchedOff(before)
      ? before
      : (
          await door.operations.update(
            { agent_id: before.agent_id, node: before.node, enabled: false },
            context,
          )
        ).agent;
    const end = performance.now() + wait * 1_000;
    await whileOpen(door, context, async ({ signal }) => {
      while (agent.running > 0 && performance.now() < end && !signal.aborted) {
        await delay(Math.min(LOOK_AGAIN_MS, end - performance.now()));
        agent = await agentCalled(door, { id: agent.agent_id, node: agent.node }, context);
      }
    });
    const { running } = agent;
    const drained = running === 0;
    return c.json({ agent: toAgent(agent), draining: true as const, current_tasks: running, drained }, 200);
  });
}

/** Asked again and again, it is told once: each change of the registry goes out to its node. */
const isSwitchedOff = ({ enabled, registration }: AgentView): boolean =>
  !enabled && registration === 'registered';
