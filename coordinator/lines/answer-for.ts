/**
 * While a node can be reached over a line alone, the coordinator that has it answers for the node on NATS, for what any
 * coordinator may ask: the others have no line.
 */
import { headers, type Msg, type NatsConnection } from '@nats-io/nats-core';
import { ServiceErrorCodeHeader, ServiceErrorHeader } from '@nats-io/services';
import type { z } from 'zod';
import { check, decode, encode } from '../../protocol/codec.ts';
import {
  DrainReplySchema,
  DrainRequestSchema,
  ProbeReplySchema,
  ProbeRequestSchema,
  VerifyReplySchema,
  VerifyRequestSchema,
} from '../../protocol/control.ts';
import type { Lifecycle } from '../../protocol/daemon/lifecycle.ts';
import { errorFields, type Log } from '../../protocol/daemon/log.ts';
import { isInbox } from '../../protocol/daemon/service.ts';
import { ERRORS, toErrorBody } from '../../protocol/errors.ts';
import { REGISTER_LIMIT_MS, VERIFY_LIMIT_MS } from '../../protocol/limits.ts';
import type { LineVerb } from '../../protocol/line.ts';
import { ErrorReplySchema } from '../../protocol/operation.ts';
import type { Names } from '../../protocol/subjects.ts';
import type { Line } from './line.ts';

interface AnswerOptions {
  readonly connection: NatsConnection;
  readonly names: Names;
  /** Whether NATS has nothing from the node: otherwise it answers for itself. */
  readonly overSsh: (node: string) => boolean;
  readonly lifecycle: Pick<Lifecycle, 'handOver'>;
  readonly log: Log;
}

interface Endpoint {
  readonly verb: LineVerb;
  readonly request: z.ZodType;
  readonly reply: z.ZodType;
  readonly limit_ms: number;
}

const DRAIN_LIMIT_MS = 10_000;

const ENDPOINTS: readonly Endpoint[] = [
  { verb: 'drain', request: DrainRequestSchema, reply: DrainReplySchema, limit_ms: DRAIN_LIMIT_MS },
  { verb: 'probe', request: ProbeRequestSchema, reply: ProbeReplySchema, limit_ms: REGISTER_LIMIT_MS },
  { verb: 'verify', request: VerifyRequestSchema, reply: VerifyReplySchema, limit_ms: VERIFY_LIMIT_MS },
];

/** @returns ends it */
export function answerFor(line: Line, options: AnswerOptions): () => void {
  const { connection, names, overSsh, lifecycle, log } = options;
  const { node } = line;

  const answer = async ({ verb, request, reply, limit_ms }: Endpoint, message: Msg): Promise<void> => {
    try {
      const asked = decode(request, message.data);
      message.respond(encode(reply, check(reply, await line.request(verb, asked, limit_ms))));
    } catch (error) {
      const body = toErrorBody(error);
      const marked = headers();
      marked.set(ServiceErrorCodeHeader, String(ERRORS[body.code].http));
      marked.set(ServiceErrorHeader, body.code);
      message.respond(encode(ErrorReplySchema, { error: body }), { headers: marked });
    }
  };

  const subscriptions = ENDPOINTS.map(endpoint =>
    connection.subscribe(names.node(node, endpoint.verb), {
      callback: (error, message) => {
        if (error !== null) {
          log.warn('endpoint_error', { node, endpoint: endpoint.verb, ...errorFields(error) });
          return;
        }
        if (overSsh(node) && isInbox(message.reply)) lifecycle.handOver(answer(endpoint, message));
      },
    }),
  );
  return () => {
    for (const subscription of subscriptions) subscription.unsubscribe();
  };
}
