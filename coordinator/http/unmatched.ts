/** Requests that no route takes: another method of an address that there is, or an address that there is not. */
import type { Context } from 'hono';
import { CcliError } from '../../protocol/errors.ts';
import type { DoorApp, DoorEnv } from './door.ts';
import { errorResponse } from './problem.ts';

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];

export function answerUnmatched(app: DoorApp, c: Context<DoorEnv>): Response {
  const allowed = methodsOf(app, c.req.path);
  if (allowed.length === 0) return errorResponse(new CcliError('not_found'), c.req.path, c.get('request_id'));
  const allow = allowed.join(', ');
  if (c.req.method === 'OPTIONS') return new Response(null, { status: 204, headers: { allow } });
  const response = errorResponse(
    new CcliError('method_not_allowed', `This address takes ${allow}; see /docs.`),
    c.req.path,
    c.get('request_id'),
  );
  response.headers.set('allow', allow);
  return response;
}

/** Asked of the router itself: what it would do for each. Middleware alone is no route. */
function methodsOf(app: DoorApp, path: string): string[] {
  const taken = METHODS.filter(method =>
    app.router.match(method, path)[0].some(([[, route]]) => route.path !== '/*'),
  );
  return taken.flatMap(method => (method === 'GET' ? ['GET', 'HEAD'] : [method]));
}
