/** Who calls, by their API key, and whether they call too often, or for too much at a time. */
import type { Context, MiddlewareHandler } from 'hono';
import { CcliError } from '../../../protocol/errors.ts';
import type { DoorEnv } from '../door.ts';
import type { InFlight } from '../in-flight.ts';
import type { Keys } from '../keys.ts';
import type { HttpMetrics } from '../metrics.ts';
import type { RateLimit } from '../rate-limit.ts';
import { PUBLIC_PATHS } from '../routes/docs.ts';
import { expelOnceRevoked } from './expel.ts';

/** For whoever watches over this process, or reads how to call it, and has no key. Nothing of it is secret. */
const WITHOUT_KEY = new Set(['/healthz', '/readyz', ...PUBLIC_PATHS]);
const UNLIMITED = new Set(['/healthz']);

interface AdmitOptions {
  /** Undefined: everybody is `local`, whatever key they send. */
  readonly keys: Keys | undefined;
  readonly limit: RateLimit;
  readonly inFlight: InFlight;
  readonly metrics: HttpMetrics;
}

export function admit({ keys, limit, inFlight, metrics }: AdmitOptions): MiddlewareHandler<DoorEnv> {
  const counted = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      metrics.limited();
      throw error;
    }
  };
  const count = (client: string): void => {
    counted(() => {
      limit.take(client);
    });
  };

  return async (c, next) => {
    // As the router reads it, so that no spelling of a path means one thing here and another there.
    const { path } = c.req;
    if (keys !== undefined && !WITHOUT_KEY.has(path)) {
      const key = keyOf(c);
      const caller = key === undefined ? undefined : await keys.callerOf(key);
      if (key === undefined || caller === undefined) {
        // By address: guessing keys is slow as well.
        count(`address ${c.get('client')}`);
        throw new CcliError('unauthorized');
      }
      c.set('caller', caller);
      c.set('client', caller);
      expelOnceRevoked(c, keys, { key, caller });
    }
    if (UNLIMITED.has(path)) {
      await next();
      return;
    }
    const client = c.get('client');
    count(client);
    const leave = counted(() => inFlight.enter(client));
    try {
      // Until its answer begins: an open stream is counted at the stream gate.
      await next();
    } finally {
      leave();
    }
  };
}

function keyOf(c: Context<DoorEnv>): string | undefined {
  const [, bearer] = /^Bearer +(\S+) *$/i.exec(c.req.header('authorization') ?? '') ?? [];
  return bearer ?? c.req.header('x-api-key');
}
