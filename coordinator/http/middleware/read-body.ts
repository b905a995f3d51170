/** Reads the whole body before anybody looks at it: no more than one may have, and all together may hold. */
import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import type { Context, MiddlewareHandler } from 'hono';
import { matchedRoutes } from 'hono/route';
import { CcliError } from '../../../protocol/errors.ts';
import { beyondBounds, REQUEST_BOUNDS } from '../../../protocol/json-bounds.ts';
import type { BodyBudget, BodyShare } from '../body-budget.ts';
import { checkLength, collectBody } from '../collect-body.ts';
import type { DoorEnv, HeldBody } from '../door.ts';
import { holdBody } from '../held-body.ts';
import { isJson } from '../json-body.ts';

interface ReadBodyOptions {
  /** Bytes, of one body. */
  readonly limit: number;
  readonly budget: BodyBudget;
}

export const readBody =
  ({ limit, budget }: ReadBodyOptions): MiddlewareHandler<DoorEnv> =>
  async (c, next) => {
    const { incoming, outgoing } = bindingsOf(c.env);
    // Without a server, or without anybody who would look at it.
    if (incoming === undefined || !hasBody(incoming) || matchedRoutes(c).at(-1)?.path === '/*') {
      await next();
      return;
    }
    checkHead(incoming, limit);
    const share = budget.open(c.get('client'));
    try {
      if (waitsForLeave(incoming)) outgoing?.writeContinue();
      // In functions of their own: what is suspended below must not have had the bytes in hand.
      c.set('body', await hold(c, incoming, { limit, share }));
      // One name for those behind, of whom each knows other ones.
      c.req.raw.headers.set('content-type', 'application/json');
      await next();
    } finally {
      c.get('body')?.drop();
      share.release();
    }
  };

const bindingsOf = (env: DoorEnv['Bindings'] | undefined): DoorEnv['Bindings'] => env ?? {};

const hasBody = ({ method, headers }: IncomingMessage): boolean =>
  method !== 'GET' &&
  method !== 'HEAD' &&
  (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0);

/** The client sends no body before it is told to, or has waited for a while; there is no other expectation here. */
const waitsForLeave = ({ headers }: IncomingMessage): boolean => headers.expect !== undefined;

/** What is refused before it is read. */
function checkHead(incoming: IncomingMessage, limit: number): void {
  const { headers } = incoming;
  if (!isJson(headers['content-type']))
    throw new CcliError(
      'unsupported_media_type',
      'Send JSON in UTF-8, with the header "Content-Type: application/json".',
    );
  if ((headers['content-encoding'] ?? 'identity') !== 'identity')
    throw new CcliError('unsupported_media_type', 'Send the body as it is, without Content-Encoding.');
  checkLength(incoming, limit);
}

interface HoldOptions {
  readonly limit: number;
  readonly share: BodyShare;
}

const hold = async (
  c: Context<DoorEnv>,
  incoming: IncomingMessage,
  { limit, share }: HoldOptions,
): Promise<HeldBody> => holdBody(c, incoming, { bytes: await read(incoming, limit, share), share });

/** What no reader of JSON should have to find out is found here. */
async function read(incoming: IncomingMessage, limit: number, { take }: BodyShare): Promise<Buffer> {
  const body = await collectBody(incoming, { limit, take });
  if (!isUtf8(body)) throw new CcliError('invalid_request', 'The body is not UTF-8; send it as UTF-8.');
  const beyond = beyondBounds(body, REQUEST_BOUNDS);
  if (beyond !== undefined) throw new CcliError('invalid_request', BEYOND[beyond]);
  return body;
}

const BEYOND = {
  max_values: `The JSON holds more than ${REQUEST_BOUNDS.max_values} values; send fewer.`,
  max_depth: `The JSON is nested more than ${REQUEST_BOUNDS.max_depth} deep; make it flatter.`,
};
