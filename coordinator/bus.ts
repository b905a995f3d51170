/** The operations as endpoints of a micro service, made from the table of the wire. */
import type { NatsConnection } from '@nats-io/nats-core';
import type { z } from 'zod';
import type { Lifecycle } from '../protocol/daemon/lifecycle.ts';
import type { Log } from '../protocol/daemon/log.ts';
import { type Endpoint, jsonEndpoint, startService } from '../protocol/daemon/service.ts';
import { VERSION } from '../protocol/daemon/version.ts';
import {
  OPERATIONS,
  type OperationName,
  type OperationReply,
  type OperationRequest,
} from '../protocol/operation.ts';
import { COORDINATOR_SERVICE } from '../protocol/subjects.ts';
import type { CallContext } from './caller.ts';
import type { Operations } from './operations.ts';

type Table = {
  readonly [N in OperationName]: {
    readonly subject: string;
    readonly request: z.ZodType<OperationRequest<N>>;
    readonly reply: z.ZodType<OperationReply<N>>;
  };
};
const TABLE: Table = OPERATIONS;

/** Without security on, NATS does not tell who asks. */
const ANYONE = 'local';

interface ServeOptions {
  readonly connection: NatsConnection;
  readonly prefix: string;
  readonly operations: Operations;
  readonly coordinator_id: string;
  readonly lifecycle: Lifecycle;
  readonly log: Log;
}

/** Any coordinator may answer: they share a queue group. */
export async function serveOperations(options: ServeOptions): Promise<void> {
  const { connection, prefix, operations, coordinator_id, lifecycle, log } = options;
  const service = await startService({
    connection,
    name: COORDINATOR_SERVICE,
    version: VERSION,
    description: 'Accepts tasks and gives them to agents',
    metadata: { coordinator_id },
    endpoints: operationEndpoints(prefix, operations, lifecycle.signal),
    log,
  });
  lifecycle.defer('service', async () => {
    await service.stop();
  });
}

function operationEndpoints(prefix: string, operations: Operations, signal: AbortSignal): Endpoint[] {
  const context: CallContext = { caller: ANYONE, signal };
  const endpoint = <N extends OperationName>(name: N, operation: Operations[N]): Endpoint => {
    const { subject, request, reply } = TABLE[name];
    return jsonEndpoint({
      name: subject.replaceAll('.', '-'),
      subject: `${prefix}.${subject}`,
      request,
      reply,
      handle: asked => operation(asked, context),
    });
  };
  return [
    endpoint('submit', operations.submit),
    endpoint('run', operations.run),
    endpoint('get', operations.get),
    endpoint('cancel', operations.cancel),
    endpoint('retry', operations.retry),
    endpoint('list', operations.list),
    endpoint('upload', operations.upload),
    endpoint('download', operations.download),
    endpoint('agents', operations.agents),
    endpoint('nodes', operations.nodes),
    endpoint('drain', operations.drain),
    endpoint('explain', operations.explain),
    endpoint('coordinate', operations.coordinate),
    endpoint('register', operations.register),
    endpoint('update', operations.update),
    endpoint('remove', operations.remove),
    endpoint('test', operations.test),
    endpoint('verify', operations.verify),
    endpoint('registration', operations.registration),
    endpoint('status', operations.status),
  ];
}
