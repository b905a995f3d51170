/** Registering agents: `POST /api/agents/cli` and `/ollama`, and whether they may be registered at all. */
import { createRoute } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { z } from 'zod';
import { NameSchema } from '../../../protocol/agent.ts';
import {
  type AgentView,
  type OperationRequest,
  RegistrationReplySchema,
} from '../../../protocol/operation.ts';
import type { CallContext } from '../../caller.ts';
import { contextOf, type Door, type DoorApp, type DoorEnv } from '../door.ts';
import { AgentSchema, toAgent } from '../views/agent.ts';
import { type RegisterCli, RegisterCliSchema, RegisterOllamaSchema } from '../views/agent-request.ts';
import {
  connectivityProblem,
  isUntold,
  refuseFalseClaims,
  testedConnectivity,
} from './agent-connectivity.ts';
import { agentsCalled, TAGS } from './agent-route.ts';
import { OF_BODIES, problemResponses } from './problem-responses.ts';

const RegisteredSchema = z
  .object({ status: z.literal('success'), agent_id: NameSchema, agent: AgentSchema })
  .meta({ id: 'AgentRegistered' });
type Registered = z.infer<typeof RegisteredSchema>;

const registered = (description: string) => ({
  description,
  headers: z.object({ Location: z.string().describe('Where the agent is.') }),
  content: { 'application/json': { schema: RegisteredSchema } },
});

const responses = {
  200: registered('It was registered before; its settings are replaced.'),
  201: registered('It is registered.'),
  ...problemResponses(...OF_BODIES, 'registration_off', 'registration_changed', 'store_full'),
  400: connectivityProblem,
};

const cliRoute = createRoute({
  method: 'post',
  path: '/api/agents/cli',
  operationId: 'registerCliAgent',
  summary: 'Register a CLI agent',
  description:
    "The agent is one that the node's own file names. Its node looks at it first, and sends a short prompt through it unless `canary` is false. What `cli_config` says of paths, versions and model is compared with what the node really runs: nothing of it is ever executed.",
  tags: TAGS,
  request: { body: { required: true, content: { 'application/json': { schema: RegisterCliSchema } } } },
  responses,
});

const ollamaRoute = createRoute({
  method: 'post',
  path: '/api/agents/ollama',
  operationId: 'registerOllamaAgent',
  summary: 'Register a model of an Ollama server',
  description:
    "Any model of a server that a node's file permits. Its node looks at it first, and sends a short prompt through it unless `canary` is false.",
  tags: TAGS,
  request: { body: { required: true, content: { 'application/json': { schema: RegisterOllamaSchema } } } },
  responses,
});

const policy = { 'application/json': { schema: RegistrationReplySchema.meta({ id: 'Registration' }) } };

const policyRoute = createRoute({
  method: 'get',
  path: '/api/registration',
  operationId: 'getRegistration',
  summary: 'Whether agents may be registered',
  tags: TAGS,
  responses: { 200: { description: 'Whether they may.', content: policy }, ...problemResponses() },
});

const setPolicyRoute = createRoute({
  method: 'put',
  path: '/api/registration',
  operationId: 'setRegistration',
  summary: 'Switch registration on or off',
  tags: TAGS,
  request: {
    body: {
      required: true,
      content: { 'application/json': { schema: z.strictObject({ open: z.boolean() }) } },
    },
  },
  responses: {
    200: { description: 'As it is now.', content: policy },
    ...problemResponses(...OF_BODIES, 'store_full'),
  },
});

export function registerAgentRegistration(app: DoorApp, door: Door): void {
  const { operations } = door;

  const register = async (c: Context<DoorEnv>, request: OperationRequest<'register'>): Promise<Response> => {
    const context = contextOf(c);
    const before = await agentsCalled(door, { id: request.agent_id, node: request.node }, context);
    const { agent } = await operations.register(request, context);
    const { agent_id, node } = agent;
    const known = before.some(one => one.node === node && one.registration === 'registered');
    const reply: Registered = { status: 'success', agent_id, agent: toAgent(agent) };
    return c.json(reply, known ? 200 : 201, { Location: `/api/agents/${agent_id}?node=${node}` });
  };

  app.openapi(cliRoute, async c => {
    const request = c.req.valid('json');
    const { cli_config } = request;
    const context = contextOf(c);
    return await testedConnectivity(c, 'CLI', async () => {
      const agent = await look(door, request, context);
      // Without one, registering it tells what is there instead.
      if (agent !== undefined) refuseFalseClaims(request, agent);
      return await register(c, { ...settingsOf(request), node: cli_config.host });
    });
  });

  app.openapi(ollamaRoute, async c => {
    const { id, specialty, host, node = host, ...request } = c.req.valid('json');
    const { endpoint, model, keep_alive, options, ...settings } = request;
    const ollama = {
      endpoint,
      model,
      ...(keep_alive !== undefined && { keep_alive }),
      ...(options !== undefined && { options }),
    };
    return await testedConnectivity(c, 'Ollama', () =>
      register(c, { ...settings, agent_id: id, node, specialty: [specialty].flat(), ollama }),
    );
  });

  app.openapi(policyRoute, async c => c.json(await operations.registration({}, contextOf(c)), 200));
  app.openapi(setPolicyRoute, async c =>
    c.json(await operations.registration(c.req.valid('json'), contextOf(c)), 200),
  );
}

function settingsOf({ id, cli_config, ...request }: RegisterCli): OperationRequest<'register'> {
  const {
    specialty,
    max_concurrent = cli_config.max_concurrent,
    priority,
    labels,
    ssh_fallback,
    enabled,
    canary,
  } = request;
  const { expected_version } = cli_config;
  return {
    agent_id: id,
    specialty: [specialty].flat(),
    max_concurrent,
    priority,
    labels,
    ...(ssh_fallback !== undefined && { ssh_fallback }),
    enabled,
    canary,
    expected_version,
  };
}

/** The agent as its node tells of it, looked at afresh when it has not told enough to judge what the request claims. */
async function look(door: Door, request: RegisterCli, context: CallContext): Promise<AgentView | undefined> {
  const { id, cli_config } = request;
  const [advertised] = await agentsCalled(door, { id, node: cli_config.host }, context);
  if (advertised === undefined || !isUntold(request, advertised)) return advertised;
  const { agent } = await door.operations.test(
    { agent_id: id, node: cli_config.host, canary: false },
    context,
  );
  return agent;
}
