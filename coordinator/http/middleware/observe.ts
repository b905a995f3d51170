/** What is logged and counted of each request: never its body, its query or its key. */
import type { MiddlewareHandler } from 'hono';
import { matchedRoutes } from 'hono/route';
import type { Log } from '../../../protocol/daemon/log.ts';
import type { DoorEnv } from '../door.ts';
import type { HttpMetrics } from '../metrics.ts';

/** Methods that get a label of their own: a client must not be able to make up new ones. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

export const observe =
  (metrics: HttpMetrics, log: Log): MiddlewareHandler<DoorEnv> =>
  async (c, next) => {
    const began = performance.now();
    await next();
    const method = METHODS.has(c.req.method) ? c.req.method : 'other';
    const route = matchedRoutes(c).at(-1)?.path ?? '/*';
    const duration_ms = performance.now() - began;
    metrics.answered(
      { method, route: route === '/*' ? 'unmatched' : route, status: String(c.res.status) },
      duration_ms / 1_000,
    );
    log.debug('http_request', {
      request_id: c.get('request_id'),
      method,
      route,
      status: c.res.status,
      duration_ms: Math.round(duration_ms),
      client: c.get('client'),
      caller: c.get('caller'),
    });
  };
