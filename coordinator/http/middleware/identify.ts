/** A name for each request: the client's own when it is sane, so that both sides can find it in their logs. */
import { randomUUID } from 'node:crypto';
import type { MiddlewareHandler } from 'hono';
import { plainAddress } from '../address.ts';
import type { DoorEnv } from '../door.ts';

const SANE = /^[\w.:-]{1,128}$/;

export const requestIdOf = (given: string | undefined): string =>
  given !== undefined && SANE.test(given) ? given : randomUUID();

export const identify: MiddlewareHandler<DoorEnv> = async (c, next) => {
  const request_id = requestIdOf(c.req.header('x-request-id'));
  c.set('request_id', request_id);
  c.set('caller', 'local');
  c.set('client', addressOf(c.env));
  await next();
  c.res.headers.set('x-request-id', request_id);
};

function addressOf(env: Partial<DoorEnv['Bindings']> | undefined): string {
  return plainAddress(env?.incoming?.socket.remoteAddress ?? 'unknown');
}
