/** What this coordinator asks of nodes. */
import type { NatsConnection } from '@nats-io/nats-core';
import { WIRE_VERSION } from '../protocol/codec.ts';
import {
  type CancelAttemptReply,
  CancelAttemptReplySchema,
  CancelAttemptRequestSchema,
  type ConfigureReply,
  ConfigureReplySchema,
  type ConfigureRequest,
  ConfigureRequestSchema,
  type DrainReply,
  DrainReplySchema,
  DrainRequestSchema,
  type ProbeReply,
  ProbeReplySchema,
  type ProbeRequest,
  ProbeRequestSchema,
  type RunReply,
  RunReplySchema,
  type RunRequest,
  RunRequestSchema,
  SliceRequestSchema,
  type StopReason,
  type VerifyReply,
  VerifyReplySchema,
  type VerifyRequest,
  VerifyRequestSchema,
} from '../protocol/control.ts';
import { requestJson } from '../protocol/daemon/request.ts';
import { CcliError } from '../protocol/errors.ts';
import { VERIFY_LIMIT_MS } from '../protocol/limits.ts';
import type { Names } from '../protocol/subjects.ts';
import type { Mandate } from './leadership.ts';

export interface AttemptAddress {
  readonly node: string;
  readonly instance_id: string;
  readonly task_id: string;
  readonly attempt: number;
}

/** Each rejects with `node_lost` when the node does not answer in time. */
export interface Nodes {
  run(node: string, request: Omit<RunRequest, keyof Mandate>): Promise<RunReply>;
  slice(address: AttemptAddress, index: number, bytes: Uint8Array): Promise<RunReply>;
  cancel(address: AttemptAddress, reason: StopReason): Promise<CancelAttemptReply>;
  drain(node: string, drain: boolean): Promise<DrainReply>;
  probe(node: string, request: ProbeRequest, limit_ms: number): Promise<ProbeReply>;
  verify(node: string, request: VerifyRequest): Promise<VerifyReply>;
  configure(node: string, request: Omit<ConfigureRequest, keyof Mandate | 'v'>): Promise<ConfigureReply>;
  /** Under which its requests go out. */
  mandate(): Mandate;
}

interface NodesOptions {
  readonly connection: NatsConnection;
  readonly names: Names;
  /** Under which requests go out: read anew for each. */
  readonly mandate: () => Mandate;
  readonly accept_timeout_ms: number;
}

/** A cancel is answered when the attempt has ended, which may take a whole kill ladder. */
const CANCEL_TIMEOUT_MS = 10_000;
/** It is answered when the node has it on its disk. */
const CONFIGURE_TIMEOUT_MS = 10_000;

export function createNodes({ connection, names, mandate, accept_timeout_ms }: NodesOptions): Nodes {
  const silent = (node: string) => () => new CcliError('node_lost', `Node ${node} does not answer.`);
  return {
    mandate,
    run: (node, value) =>
      requestJson(connection, {
        subject: names.node(node, 'run'),
        request: RunRequestSchema,
        reply: RunReplySchema,
        value: { ...value, ...mandate() },
        timeout_ms: accept_timeout_ms,
        onNobody: silent(node),
      }),
    slice: ({ node, ...address }, index, bytes) =>
      requestJson(connection, {
        subject: names.node(node, 'slice'),
        request: SliceRequestSchema,
        reply: RunReplySchema,
        value: {
          v: WIRE_VERSION,
          ...mandate(),
          ...address,
          index,
          data: Buffer.from(bytes).toString('base64'),
        },
        timeout_ms: accept_timeout_ms,
        onNobody: silent(node),
      }),
    cancel: ({ node, ...address }, reason) =>
      requestJson(connection, {
        subject: names.node(node, 'cancel'),
        request: CancelAttemptRequestSchema,
        reply: CancelAttemptReplySchema,
        value: { v: WIRE_VERSION, ...mandate(), ...address, reason },
        timeout_ms: CANCEL_TIMEOUT_MS,
        onNobody: silent(node),
      }),
    drain: (node, drain) =>
      requestJson(connection, {
        subject: names.node(node, 'drain'),
        request: DrainRequestSchema,
        reply: DrainReplySchema,
        value: { drain },
        timeout_ms: accept_timeout_ms,
        onNobody: silent(node),
      }),
    probe: (node, value, limit_ms) =>
      requestJson(connection, {
        subject: names.node(node, 'probe'),
        request: ProbeRequestSchema,
        reply: ProbeReplySchema,
        value,
        timeout_ms: limit_ms,
        onNobody: silent(node),
      }),
    verify: (node, value) =>
      requestJson(connection, {
        subject: names.node(node, 'verify'),
        request: VerifyRequestSchema,
        reply: VerifyReplySchema,
        value,
        timeout_ms: VERIFY_LIMIT_MS,
        onNobody: silent(node),
      }),
    configure: (node, value) =>
      requestJson(connection, {
        subject: names.node(node, 'configure'),
        request: ConfigureRequestSchema,
        reply: ConfigureReplySchema,
        value: { v: WIRE_VERSION, ...mandate(), ...value },
        timeout_ms: CONFIGURE_TIMEOUT_MS,
        onNobody: silent(node),
      }),
  };
}
