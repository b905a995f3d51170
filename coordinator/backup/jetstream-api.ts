/** Requests to JetStream's own API, for what its client library has no call for. */
import { type NatsConnection, RequestError } from '@nats-io/nats-core';
import { z } from 'zod';
import { requestError } from '../../protocol/daemon/connect.ts';
import { CcliError } from '../../protocol/errors.ts';
import { unlessAborted } from './unless-aborted.ts';

/** Of the server's error table. */
const NOT_FOUND = 10_059;
const NAME_IN_USE = new Set([10_058, 10_130]);

const FailureSchema = z.object({
  error: z.object({ code: z.int(), err_code: z.int().optional(), description: z.string().default('') }),
});

/** What the server said no with. */
export class ApiFailure extends Error {
  readonly err_code: number | undefined;

  constructor(what: string, description: string, err_code: number | undefined) {
    super(`${what}: ${description}`);
    this.err_code = err_code;
  }

  get notFound(): boolean {
    return this.err_code === NOT_FOUND;
  }

  get nameInUse(): boolean {
    return this.err_code !== undefined && NAME_IN_USE.has(this.err_code);
  }
}

interface ApiRequest<T> {
  /** After `$JS.API.`: `STREAM.INFO.KV_ccli_tasks`. */
  readonly call: string;
  readonly value?: unknown;
  readonly reply: z.ZodType<T>;
  readonly timeout_ms?: number;
  readonly signal?: AbortSignal;
}

const TIMEOUT_MS = 10_000;

/**
 * @throws ApiFailure what the server answered; CcliError `store_unavailable`, `nats_unreachable` when it did not; the
 *   signal's reason when aborted.
 */
export async function apiRequest<T>(connection: NatsConnection, request: ApiRequest<T>): Promise<T> {
  const { call, value, reply, timeout_ms = TIMEOUT_MS, signal } = request;
  const payload = value === undefined ? '' : JSON.stringify(value);
  try {
    const asked = connection.request(`$JS.API.${call}`, payload, { timeout: timeout_ms });
    const { data } = await (signal === undefined ? asked : unlessAborted(asked, signal));
    return understand(data, call, reply);
  } catch (error) {
    signal?.throwIfAborted();
    throw unanswered(error, call);
  }
}

/** @throws ApiFailure; CcliError `store_unavailable` when it is no answer of JetStream's at all. */
export function understand<T>(bytes: Uint8Array, what: string, schema: z.ZodType<T>): T {
  try {
    const document: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    const failure = FailureSchema.safeParse(document);
    if (failure.success) {
      const { description, err_code } = failure.data.error;
      throw new ApiFailure(what, description, err_code);
    }
    return schema.parse(document);
  } catch (cause) {
    if (cause instanceof ApiFailure) throw cause;
    throw new CcliError('store_unavailable', `JetStream's answer to ${what} cannot be understood.`, {
      cause,
    });
  }
}

export function unanswered(error: unknown, what: string): unknown {
  if (error instanceof ApiFailure || error instanceof CcliError) return error;
  const nobody = error instanceof RequestError && error.isNoResponders();
  return requestError(error, () => {
    const says = nobody
      ? 'This NATS server runs without JetStream, or these credentials may not use it.'
      : `The server did not answer ${what} in time.`;
    return new CcliError('store_unavailable', says, { cause: error });
  });
}

const ConfigSchema = z.looseObject({ name: z.string(), description: z.string().optional() });
const InfoSchema = z.looseObject({ config: ConfigSchema });

/** Undefined when there is no such stream. */
export async function streamConfig(
  connection: NatsConnection,
  stream: string,
): Promise<z.infer<typeof ConfigSchema> | undefined> {
  try {
    return (await apiRequest(connection, { call: `STREAM.INFO.${stream}`, reply: InfoSchema })).config;
  } catch (error) {
    if (error instanceof ApiFailure && error.notFound) return undefined;
    throw error;
  }
}

export async function deleteStream(connection: NatsConnection, stream: string): Promise<void> {
  try {
    await apiRequest(connection, { call: `STREAM.DELETE.${stream}`, reply: z.looseObject({}) });
  } catch (error) {
    if (!(error instanceof ApiFailure && error.notFound)) throw error;
  }
}
