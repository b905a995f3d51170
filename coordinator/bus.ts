/** The operations as endpoints of a micro service, made from the table of the wire. */
import type { z } from 'zod';
import { type Endpoint, jsonEndpoint } from '../protocol/daemon/service.ts';
import {
  OPERATIONS,
  type OperationName,
  type OperationReply,
  type OperationRequest,
} from '../protocol/operation.ts';
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

export function operationEndpoints(prefix: string, operations: Operations, signal: AbortSignal): Endpoint[] {
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
    endpoint('list', operations.list),
    endpoint('upload', operations.upload),
    endpoint('download', operations.download),
    endpoint('agents', operations.agents),
    endpoint('nodes', operations.nodes),
    endpoint('drain', operations.drain),
    endpoint('status', operations.status),
  ];
}
