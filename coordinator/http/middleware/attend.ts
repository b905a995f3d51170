/** Sees a request to its end: it can be waited for, and given up, as when the door closes. */
import type { MiddlewareHandler } from 'hono';
import type { DoorEnv } from '../door.ts';
import { closingError, type Requests } from '../requests.ts';

export const attend =
  (requests: Requests): MiddlewareHandler<DoorEnv> =>
  async (c, next) => {
    const outgoing = outgoingOf(c.env);
    if (outgoing === undefined) {
      // Called without a server.
      c.set('signal', c.req.raw.signal);
      await next();
      return;
    }
    const { signal, givenUp, giveUp } = requests.begin(outgoing);
    c.set('signal', signal);
    c.set('give_up', giveUp);
    if (requests.closing) throw closingError();
    await Promise.race([next(), givenUp]);
  };

const outgoingOf = (env: DoorEnv['Bindings'] | undefined): DoorEnv['Bindings']['outgoing'] => env?.outgoing;
