/** What becomes of the connection after the answer. */
import type { MiddlewareHandler } from 'hono';
import type { DoorEnv } from '../door.ts';
import { lingerAfterAnswer } from '../lingering-close.ts';
import type { Requests } from '../requests.ts';

export const conclude =
  (requests: Requests): MiddlewareHandler<DoorEnv> =>
  async (c, next) => {
    await next();
    const incoming = incomingOf(c.env);
    // What is answered without being read whole is not read any further.
    const unread = incoming?.complete === false;
    if (unread) lingerAfterAnswer(incoming);
    if (unread || requests.closing) c.res.headers.set('connection', 'close');
    // The framework drops the body of an answer to HEAD; whoever writes it must be told.
    if (c.req.method === 'HEAD') await c.res.body?.cancel();
  };

const incomingOf = (env: DoorEnv['Bindings'] | undefined): DoorEnv['Bindings']['incoming'] => env?.incoming;
