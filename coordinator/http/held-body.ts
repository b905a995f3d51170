/** The body of a request while somebody may still read it. */
import type { IncomingMessage } from 'node:http';
import type { Context } from 'hono';
import type { BodyShare } from './body-budget.ts';
import type { DoorEnv, HeldBody } from './door.ts';

/** Where the server looks first for a body that was read already. It is let go of once it has been handed out. */
export function holdBody(
  c: Context<DoorEnv>,
  incoming: IncomingMessage,
  { bytes, share }: { readonly bytes: Buffer; readonly share: BodyShare },
): HeldBody {
  let body: Buffer | undefined = bytes;
  let handing_out = false;
  const forget = (): void => {
    body = undefined;
    // The text of it, which has been parsed by now.
    c.req.bodyCache = {};
  };
  Object.defineProperty(incoming, 'rawBody', {
    configurable: true,
    get() {
      // The server looks twice in one turn, and parses and checks in the same.
      if (body !== undefined && !handing_out) setImmediate(forget);
      handing_out = true;
      return body;
    },
  });
  return {
    drop() {
      forget();
      share.release();
    },
  };
}

/**
 * For handlers that wait after they have done with the body: it makes room for those of others, and for what was parsed from
 * it to be collected. `c.req.valid('json')` has nothing from here on. Whoever calls it must hold nothing of the body either.
 */
export function bodyDone(c: Context<DoorEnv>): void {
  c.req.addValidatedData('json', {});
  c.get('body')?.drop();
}
