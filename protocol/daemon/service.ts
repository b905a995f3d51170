/** Endpoints of a micro service that never throw, never reject, and never answer a foreign subject. */
import type { NatsConnection } from '@nats-io/nats-core';
import { type Service, type ServiceMsg, Svcm } from '@nats-io/services';
import { z } from 'zod';
import { decode, encode } from '../codec.ts';
import { ERRORS, toErrorBody } from '../errors.ts';
import { ErrorReplySchema } from '../operation.ts';
import { errorFields, type Log } from './log.ts';
import { withinLimit } from './within-limit.ts';

export interface Endpoint {
  readonly name: string;
  readonly subject: string;
  /** Turns request bytes into reply bytes; a throw becomes the endpoint's error reply. */
  readonly handle: (bytes: Uint8Array) => Promise<Uint8Array>;
}

interface ServiceOptions {
  readonly connection: NatsConnection;
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly metadata?: Record<string, string>;
  readonly endpoints: readonly Endpoint[];
  readonly log: Log;
}

/** Replies go to inboxes only: any other reply subject would let a caller inject messages through us. */
const INBOX = /^_INBOX[\w-]*\.[\w.-]+$/;
export const isInbox = (reply: string | undefined): boolean => reply !== undefined && INBOX.test(reply);

/** An endpoint of JSON in, JSON out. */
export function jsonEndpoint<Q, A>(spec: {
  name: string;
  subject: string;
  request: z.ZodType<Q>;
  reply: z.ZodType<A>;
  handle: (request: Q) => Promise<A> | A;
}): Endpoint {
  return {
    name: spec.name,
    subject: spec.subject,
    handle: async bytes => encode(spec.reply, await spec.handle(decode(spec.request, bytes))),
  };
}

/**
 * What `$SRV.STATS` tells of an endpoint as `data`. The library's own `num_errors` counts only handlers that throw, and
 * ours never do: it would answer whatever subject the message names.
 */
export const EndpointDataSchema = z.object({
  /** Requests that got an error for an answer, or none because their reply subject is foreign. */
  refused: z.int().nonnegative(),
  /** The code of the last one. */
  last_refusal: z.string().optional(),
});
type EndpointData = z.infer<typeof EndpointDataSchema>;

/** How long the server may take to know of the endpoints. */
const FLUSH_LIMIT_MS = 1_000;

export async function startService(options: ServiceOptions): Promise<Service> {
  const refusals = new Map<string, EndpointData>();
  const count = (subject: string, last_refusal: string): void => {
    refusals.set(subject, { refused: (refusals.get(subject)?.refused ?? 0) + 1, last_refusal });
  };
  const service = await new Svcm(options.connection).add({
    statsHandler: ({ subject }) => Promise.resolve(refusals.get(subject) ?? { refused: 0 }),
    name: options.name,
    version: options.version,
    description: options.description,
    ...(options.metadata !== undefined && { metadata: options.metadata }),
  });
  for (const endpoint of options.endpoints) {
    service.addEndpoint(endpoint.name, {
      subject: endpoint.subject,
      handler: (error, message) => {
        if (error !== null) {
          options.log.warn('endpoint_error', { endpoint: endpoint.name, ...errorFields(error) });
          return;
        }
        void answer(endpoint, message, {
          log: options.log,
          count: why => {
            count(endpoint.subject, why);
          },
        });
      },
    });
  }
  // Whoever is told that the service runs may ask at any of its endpoints. While cut off, it runs as soon as that is over.
  await withinLimit(
    options.connection.flush().catch(() => undefined),
    FLUSH_LIMIT_MS,
  );
  return service;
}

interface Witness {
  readonly log: Log;
  /** One more request was refused, and why. */
  readonly count: (why: string) => void;
}

async function answer(endpoint: Endpoint, message: ServiceMsg, { log, count }: Witness): Promise<void> {
  try {
    if (!isInbox(message.reply)) {
      count('foreign_reply_subject');
      log.warn('foreign_reply_subject', { endpoint: endpoint.name, subject: message.subject });
      return;
    }
    message.respond(await endpoint.handle(message.data));
  } catch (error) {
    count(toErrorBody(error).code);
    refuse(endpoint, message, error, log);
  }
}

function refuse(endpoint: Endpoint, message: ServiceMsg, error: unknown, log: Log): void {
  const body = toErrorBody(error);
  if (body.code === 'internal')
    log.error('endpoint_failed', { endpoint: endpoint.name, ...errorFields(error) });
  try {
    const oneLine = body.message.replace(/\s+/g, ' ').slice(0, 200);
    message.respondError(
      ERRORS[body.code].http,
      `${body.code}: ${oneLine}`,
      encode(ErrorReplySchema, { error: body }),
    );
  } catch (failure) {
    // The connection is closing: the caller asks again.
    log.warn('reply_failed', { endpoint: endpoint.name, ...errorFields(failure) });
  }
}
