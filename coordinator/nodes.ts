/** What this coordinator asks of nodes. */
import type { NatsConnection } from '@nats-io/nats-core';
import type { z } from 'zod';
import { check, WIRE_VERSION } from '../protocol/codec.ts';
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
import type { LineVerb } from '../protocol/line.ts';
import type { Names } from '../protocol/subjects.ts';
import type { Mandate } from './leadership.ts';
import type { Way } from './lines/way.ts';

export interface AttemptAddress {
  readonly node: string;
  readonly agent_id: string;
  readonly instance_id: string;
  readonly task_id: string;
  readonly attempt: number;
}

/** Each rejects with `node_lost` when the node does not answer in time; what begins a task with `ssh_not_allowed`. */
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

export type WayTo = (node: string, agent_id: string | undefined) => Way;

interface NodesOptions {
  readonly connection: NatsConnection;
  readonly names: Names;
  /** Under which requests go out: read anew for each. */
  readonly mandate: () => Mandate;
  readonly accept_timeout_ms: number;
  /** How to ask now; NATS when absent. */
  readonly wayTo?: WayTo;
}

/** A cancel is answered when the attempt has ended, which may take a whole kill ladder. */
const CANCEL_TIMEOUT_MS = 10_000;
/** It is answered when the node has it on its disk. */
const CONFIGURE_TIMEOUT_MS = 10_000;
const NATS: Way = { barred: false };

/** One request to a node. */
interface Asked<Q, A> {
  readonly verb: LineVerb;
  readonly agent_id?: string;
  readonly request: z.ZodType<Q>;
  readonly reply: z.ZodType<A>;
  readonly value: Q;
  readonly timeout_ms: number;
  /** It sets a task to work. */
  readonly begins?: boolean;
}

export function createNodes(options: NodesOptions): Nodes {
  const { connection, names, mandate, accept_timeout_ms, wayTo = () => NATS } = options;
  const silent = (node: string) => () => new CcliError('node_lost', `Node ${node} does not answer.`);

  const ask = async <Q, A>(node: string, asked: Asked<Q, A>): Promise<A> => {
    const { verb, agent_id, request, reply, value, timeout_ms, begins = false } = asked;
    const { line, barred } = wayTo(node, agent_id);
    if (barred && begins) {
      const message = `The policy of ${agent_id ?? 'the agent'} keeps its tasks from the way there is to ${node} now.`;
      throw new CcliError('ssh_not_allowed', message);
    }
    if (line !== undefined) return check(reply, await line.request(verb, check(request, value), timeout_ms));
    const subject = names.node(node, verb);
    return await requestJson(connection, {
      subject,
      request,
      reply,
      value,
      timeout_ms,
      onNobody: silent(node),
    });
  };

  return {
    mandate,
    run: (node, value) =>
      ask(node, {
        verb: 'run',
        agent_id: value.agent_id,
        request: RunRequestSchema,
        reply: RunReplySchema,
        value: { ...value, ...mandate() },
        timeout_ms: accept_timeout_ms,
        begins: value.known_only !== true,
      }),
    slice: ({ node, agent_id, ...address }, index, bytes) =>
      ask(node, {
        verb: 'slice',
        agent_id,
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
      }),
    cancel: ({ node, agent_id, ...address }, reason) =>
      ask(node, {
        verb: 'cancel',
        agent_id,
        request: CancelAttemptRequestSchema,
        reply: CancelAttemptReplySchema,
        value: { v: WIRE_VERSION, ...mandate(), ...address, reason },
        timeout_ms: CANCEL_TIMEOUT_MS,
      }),
    drain: (node, drain) =>
      ask(node, {
        verb: 'drain',
        request: DrainRequestSchema,
        reply: DrainReplySchema,
        value: { drain },
        timeout_ms: accept_timeout_ms,
      }),
    probe: (node, value, limit_ms) =>
      ask(node, {
        verb: 'probe',
        agent_id: value.agent_id,
        request: ProbeRequestSchema,
        reply: ProbeReplySchema,
        value,
        timeout_ms: limit_ms,
      }),
    verify: (node, value) =>
      ask(node, {
        verb: 'verify',
        agent_id: value.agent_id,
        request: VerifyRequestSchema,
        reply: VerifyReplySchema,
        value,
        timeout_ms: VERIFY_LIMIT_MS,
      }),
    configure: (node, value) =>
      ask(node, {
        verb: 'configure',
        request: ConfigureRequestSchema,
        reply: ConfigureReplySchema,
        value: { v: WIRE_VERSION, ...mandate(), ...value },
        timeout_ms: CONFIGURE_TIMEOUT_MS,
      }),
  };
}
