/** All routes of the door, and what every request goes through before it reaches one. */
import { OpenAPIHono } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { errorFields } from '../../protocol/daemon/log.ts';
import { CcliError, ERRORS } from '../../protocol/errors.ts';
import { createMcpEndpoint, type McpEndpoint } from '../mcp/http.ts';
import { createBodyBudget } from './body-budget.ts';
import type { Door, DoorApp, DoorEnv } from './door.ts';
import { createInFlight } from './in-flight.ts';
import { invalidRequest } from './invalid-request.ts';
import type { Keys } from './keys.ts';
import { createMetrics, type HttpMetrics } from './metrics.ts';
import { admit } from './middleware/admit.ts';
import { attend } from './middleware/attend.ts';
import { checkOrigin } from './middleware/check-origin.ts';
import { conclude } from './middleware/conclude.ts';
import { emptyBody } from './middleware/empty-body.ts';
import { harden } from './middleware/harden.ts';
import { identify } from './middleware/identify.ts';
import { observe } from './middleware/observe.ts';
import { readBody } from './middleware/read-body.ts';
import { refuseQuery } from './middleware/refuse-query.ts';
import { registerOpenAi } from './openai/routes.ts';
import { errorResponse, known } from './problem.ts';
import { createRateLimit } from './rate-limit.ts';
import { createRequests, type Requests } from './requests.ts';
import { registerAgentRoutes } from './routes/agents.ts';
import { registerDocs } from './routes/docs.ts';
import { registerFleetRoutes } from './routes/fleet.ts';
import { registerMcp } from './routes/mcp.ts';
import { registerSystem } from './routes/system.ts';
import { registerTaskRoutes } from './routes/tasks.ts';
import { answerUnmatched } from './unmatched.ts';

/** What a server shares with its app; made here when there is no server. */
export interface AppParts {
  readonly keys?: Keys;
  readonly requests?: Requests;
  readonly mcp?: McpEndpoint;
  /** Called once, so that the server can count as well. */
  readonly onMetrics?: (metrics: HttpMetrics) => void;
}

/** @throws CcliError `config_invalid` when keys are demanded and none are given */
export function createApp(door: Door, parts: AppParts = {}): DoorApp {
  const { settings, streamGate, log } = door;
  const { keys, requests = createRequests() } = parts;
  if (settings.keys_file !== undefined && keys === undefined)
    throw new CcliError('config_invalid', 'The keys in http.keys_file were not read; open them first.');
  const limits = settings.limits;
  const budget = createBodyBudget({
    limit: limits.bodies,
    // The largest there may be can be sent in any case.
    per_client: Math.max(limits.bodies / 4, limits.body),
  });
  const metrics = createMetrics({
    requests: () => requests.count,
    streams: () => streamGate.open,
    body_bytes: () => budget.bytes,
  });
  parts.onMetrics?.(metrics);
  const limit = createRateLimit({ ...limits, clock: () => performance.now() });

  const app: DoorApp = new OpenAPIHono<DoorEnv>({
    defaultHook: (result: {
      success: boolean;
      error?: Parameters<typeof invalidRequest>[0];
      data?: unknown;
    }) => {
      if (!result.success && result.error !== undefined) throw invalidRequest(result.error, result.data);
    },
  });
  app.onError((error, c) => answerError(error, c, door));
  app.notFound(c => answerUnmatched(app, c));

  app.use(identify, conclude(requests), harden, observe(metrics, log), attend(requests));
  app.use(
    checkOrigin(settings),
    admit({ keys, limit, inFlight: createInFlight(limits.in_flight), metrics }),
    refuseQuery(app),
    readBody({ limit: limits.body, budget }),
    emptyBody,
  );

  registerSystem(app, door, metrics);
  registerTaskRoutes(app, door);
  registerAgentRoutes(app, door);
  registerFleetRoutes(app, door);
  registerOpenAi(app, door);
  registerMcp(app, door, parts.mcp ?? createMcpEndpoint(door));
  registerDocs(app, door);
  return app;
}

function answerError(thrown: Error, c: Context<DoorEnv>, { log }: Door): Response {
  const error = known(thrown);
  const request_id = c.get('request_id');
  if (error.code === 'internal')
    log.error('http_error', { request_id, ...errorFields(thrown), stack: thrown.stack });
  else if (ERRORS[error.code].http >= 500) log.warn('http_failed', { request_id, ...errorFields(error) });
  return errorResponse(error, c.req.path, request_id);
}
