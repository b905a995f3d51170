/** Takes no body at all for `{}` where JSON is announced: clients do so with every POST, whether they send any or not. */
import type { MiddlewareHandler } from 'hono';
import type { DoorEnv } from '../door.ts';
import { isJson } from '../json-body.ts';

/** Of `/api` alone: elsewhere a handler may want the body as it came. */
export const emptyBody: MiddlewareHandler<DoorEnv> = async (c, next) => {
  const headers = incomingOf(c.env)?.headers;
  const isEmpty =
    headers?.['transfer-encoding'] === undefined && Number(headers?.['content-length'] ?? 0) === 0;
  if (headers !== undefined && isEmpty && c.req.path.startsWith('/api/') && isJson(headers['content-type']))
    Object.assign(c.req.bodyCache, { text: Promise.resolve('{}') });
  await next();
};

const incomingOf = (env: DoorEnv['Bindings'] | undefined): DoorEnv['Bindings']['incoming'] => env?.incoming;
