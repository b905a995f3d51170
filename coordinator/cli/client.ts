/** The `Operations` of a fleet, over NATS. */
import {
  ClosedConnectionError,
  DrainingConnectionError,
  type Msg,
  type NatsConnection,
  PermissionViolationError,
  RequestError,
  TimeoutError,
} from '@nats-io/nats-core';
import type { z } from 'zod';
import { decode, encode } from '../../protocol/codec.ts';
import { connect, redactUrl, requestError } from '../../protocol/daemon/connect.ts';
import { CcliError, fromErrorBody } from '../../protocol/errors.ts';
import {
  CANCEL_WAIT_MS,
  DEFAULT_BUDGET_MS,
  REGISTER_LIMIT_MS,
  SUBMIT_WAIT_MS,
  VERIFY_LIMIT_MS,
} from '../../protocol/limits.ts';
import { ErrorReplySchema, OPERATIONS } from '../../protocol/operation.ts';
import { type Names, names } from '../../protocol/subjects.ts';
import type { CallContext } from '../caller.ts';
import type { Operations } from '../operations.ts';
import type { FleetAddress } from './discovery.ts';
import { connectionLost, createLink } from './link.ts';

export interface Client {
  readonly operations: Operations;
  readonly connection: NatsConnection;
  readonly names: Names;
  close(): Promise<void>;
}

/** What an answer may take beyond the time it was asked to wait: a durable write and a busy host. */
const ANSWER_MS = 5_000;
const DEFAULT_RUN_WAIT_MS = 3_600_000;

/** @throws CcliError `nats_unreachable`, `nats_refused`, `config_invalid` */
export async function openClient(address: FleetAddress): Promise<Client> {
  const connection = await connect(address.nats, { name: 'ccli', patience: 'command' });
  const subjects = names(address.prefix);
  return {
    connection,
    names: subjects,
    operations: createOperations(connection, subjects, address),
    close: () => connection.close(),
  };
}

interface Operation<Q, A> {
  readonly subject: string;
  readonly request: z.ZodType<Q>;
  readonly reply: z.ZodType<A>;
}

function createOperations(connection: NatsConnection, subjects: Names, address: FleetAddress): Operations {
  const link = createLink(connection, address.nats.url);
  const call = async <Q, A>(
    operation: Operation<Q, A>,
    request: Q,
    context: CallContext,
    wait_ms = 0,
  ): Promise<A> => {
    const signal = AbortSignal.any([context.signal, link.lost()]);
    signal.throwIfAborted();
    const bytes = encode(operation.request, request);
    const asked = connection.request(`${subjects.prefix}.${operation.subject}`, bytes, {
      timeout: wait_ms + ANSWER_MS,
    });
    const reply = await unlessAborted(asked, signal).catch((error: unknown) => {
      throw signal.aborted ? error : failedRequest(error, address);
    });
    refuseError(reply);
    return decode(operation.reply, reply.data);
  };
  return {
    submit: (request, context) => call(OPERATIONS.submit, request, context, SUBMIT_WAIT_MS),
    run: (request, context) => call(OPERATIONS.run, request, context, request.wait_ms ?? DEFAULT_RUN_WAIT_MS),
    get: (request, context) => call(OPERATIONS.get, request, context, request.wait_ms),
    cancel: (request, context) => call(OPERATIONS.cancel, request, context, CANCEL_WAIT_MS),
    retry: (request, context) => call(OPERATIONS.retry, request, context, SUBMIT_WAIT_MS),
    list: (request, context) => call(OPERATIONS.list, request, context),
    upload: (request, context) => call(OPERATIONS.upload, request, context),
    download: (request, context) => call(OPERATIONS.download, request, context),
    agents: (request, context) => call(OPERATIONS.agents, request, context),
    nodes: (request, context) => call(OPERATIONS.nodes, request, context),
    drain: (request, context) => call(OPERATIONS.drain, request, context),
    explain: (request, context) => call(OPERATIONS.explain, request, context),
    coordinate: (request, context) =>
      call(OPERATIONS.coordinate, request, context, request.budget_ms ?? DEFAULT_BUDGET_MS),
    register: (request, context) => call(OPERATIONS.register, request, context, REGISTER_LIMIT_MS),
    update: (request, context) => call(OPERATIONS.update, request, context),
    remove: (request, context) => call(OPERATIONS.remove, request, context),
    test: (request, context) => call(OPERATIONS.test, request, context, REGISTER_LIMIT_MS),
    verify: (request, context) => call(OPERATIONS.verify, request, context, VERIFY_LIMIT_MS),
    registration: (request, context) => call(OPERATIONS.registration, request, context),
    status: (request, context) => call(OPERATIONS.status, request, context),
  };
}

async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => {
      reject(asError(signal.reason));
    };
    signal.addEventListener('abort', onAbort);
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    if (onAbort !== undefined) signal.removeEventListener('abort', onAbort);
  }
}

const asError = (reason: unknown): Error =>
  reason instanceof Error ? reason : new CcliError('cancelled', undefined, { cause: reason });

/** @throws CcliError what a reply with the headers of a service error says */
function refuseError(reply: Msg): void {
  const code = reply.headers?.get('Nats-Service-Error-Code') ?? '';
  if (code === '') return;
  const text = reply.headers?.get('Nats-Service-Error') ?? '';
  let body: z.infer<typeof ErrorReplySchema>;
  try {
    body = decode(ErrorReplySchema, reply.data);
  } catch (cause) {
    // A newer coordinator may know errors that this program does not.
    throw new CcliError('internal', `The coordinator refused: ${text === '' ? code : text}`, { cause });
  }
  throw fromErrorBody(body.error);
}

function failedRequest(error: unknown, address: FleetAddress): unknown {
  const url = redactUrl(address.nats.url);
  const inner = error instanceof RequestError && error.cause !== undefined ? error.cause : error;
  if (inner instanceof PermissionViolationError) {
    return new CcliError('nats_refused', `NATS at ${url} does not let these credentials ask the fleet.`, {
      cause: inner,
    });
  }
  if (inner instanceof ClosedConnectionError || inner instanceof DrainingConnectionError)
    return connectionLost(address.nats.url, inner);
  const silent = inner instanceof TimeoutError;
  const where = `at ${url} under the prefix "${address.prefix}"`;
  return requestError(error, () => {
    const says = silent
      ? `The coordinator ${where} does not answer; look at its log.`
      : `No coordinator answers ${where}; start one with \`ccli coordinator\`, or a whole fleet with \`ccli up\`.`;
    return new CcliError('no_coordinator', says, { cause: inner });
  });
}
