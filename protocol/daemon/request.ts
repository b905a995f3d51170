/** One request to an endpoint of ours, and its reply or the error it stands for. */
import type { NatsConnection } from '@nats-io/nats-core';
import { ServiceError } from '@nats-io/services';
import type { z } from 'zod';
import { decode, encode } from '../codec.ts';
import { type CcliError, fromErrorBody } from '../errors.ts';
import { ErrorReplySchema } from '../operation.ts';
import { requestError } from './connect.ts';

interface JsonRequest<Q, A> {
  readonly subject: string;
  readonly request: z.ZodType<Q>;
  readonly reply: z.ZodType<A>;
  readonly value: Q;
  readonly timeout_ms: number;
  /** Thrown when nobody answers in time. */
  readonly onNobody: () => CcliError;
}

/** @throws CcliError the one the endpoint answered with, `onNobody`'s, or `nats_unreachable` */
export async function requestJson<Q, A>(connection: NatsConnection, spec: JsonRequest<Q, A>): Promise<A> {
  const payload = encode(spec.request, spec.value);
  try {
    const message = await connection.request(spec.subject, payload, { timeout: spec.timeout_ms });
    if (ServiceError.isServiceError(message))
      throw fromErrorBody(decode(ErrorReplySchema, message.data).error);
    return decode(spec.reply, message.data);
  } catch (error) {
    throw requestError(error, spec.onNobody);
  }
}
