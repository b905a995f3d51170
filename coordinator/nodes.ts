/** What this coordinator asks of nodes. */
import type { NatsConnection } from '@nats-io/nats-core';
import { WIRE_VERSION } from '../protocol/codec.ts';
import {
  type CancelAttemptReply,
  CancelAttemptReplySchema,
  CancelAttemptRequestSchema,
  type RunReply,
  RunReplySchema,
  type RunRequest,
  RunRequestSchema,
  SliceRequestSchema,
} from '../protocol/control.ts';
import { requestJson } from '../protocol/daemon/request.ts';
import { CcliError } from '../protocol/errors.ts';
import type { Names } from '../protocol/subjects.ts';

export interface AttemptAddress {
  readonly node: string;
  readonly instance_id: string;
  readonly task_id: string;
  readonly attempt: number;
}

/** Each rejects with `node_lost` when the node does not answer in time. */
export interface Nodes {
  run(node: string, request: RunRequest): Promise<RunReply>;
  slice(address: AttemptAddress, index: number, bytes: Uint8Array): Promise<RunReply>;
  cancel(address: AttemptAddress): Promise<CancelAttemptReply>;
}

interface NodesOptions {
  readonly connection: NatsConnection;
  readonly names: Names;
  readonly epoch: number;
  readonly accept_timeout_ms: number;
}

/** A cancel is answered when the attempt has ended, which may take a whole kill ladder. */
const CANCEL_TIMEOUT_MS = 10_000;

export function createNodes({ connection, names, epoch, accept_timeout_ms }: NodesOptions): Nodes {
  const silent = (node: string) => () => new CcliError('node_lost', `Node ${node} does not answer.`);
  return {
    run: (node, value) =>
      requestJson(connection, {
        subject: names.node(node, 'run'),
        request: RunRequestSchema,
        reply: RunReplySchema,
        value,
        timeout_ms: accept_timeout_ms,
        onNobody: silent(node),
      }),
    slice: ({ node, ...address }, index, bytes) =>
      requestJson(connection, {
        subject: names.node(node, 'slice'),
        request: SliceRequestSchema,
        reply: RunReplySchema,
        value: { v: WIRE_VERSION, epoch, ...address, index, data: Buffer.from(bytes).toString('base64') },
        timeout_ms: accept_timeout_ms,
        onNobody: silent(node),
      }),
    cancel: ({ node, ...address }) =>
      requestJson(connection, {
        subject: names.node(node, 'cancel'),
        request: CancelAttemptRequestSchema,
        reply: CancelAttemptReplySchema,
        value: { v: WIRE_VERSION, epoch, ...address },
        timeout_ms: CANCEL_TIMEOUT_MS,
        onNobody: silent(node),
      }),
  };
}
