/** What a node can be asked, the same over NATS and over a line: a schema in, a schema out, and the part that answers. */
import type { z } from 'zod';
import type { Advert } from '../protocol/advert.ts';
import { decode, encode } from '../protocol/codec.ts';
import {
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
  RunReplySchema,
  RunRequestSchema,
  SliceRequestSchema,
  StatusReplySchema,
  StatusRequestSchema,
  type VerifyReply,
  VerifyReplySchema,
  type VerifyRequest,
  VerifyRequestSchema,
} from '../protocol/control.ts';
import type { LineVerb } from '../protocol/line.ts';
import type { Attempts } from './attempts.ts';

/** Request bytes into reply bytes. @throws CcliError what is wrong with the request, or why it was not done */
export type Handle = (bytes: Uint8Array) => Promise<Uint8Array>;
export type Verbs = Readonly<Record<LineVerb, Handle>>;

interface VerbsOptions {
  readonly attempts: Attempts;
  readonly status: () => Advert;
  readonly drain: (drain: boolean) => Promise<DrainReply>;
  readonly probe: (request: ProbeRequest) => Promise<ProbeReply>;
  readonly verify: (request: VerifyRequest) => Promise<VerifyReply>;
  readonly configure: (request: ConfigureRequest) => Promise<ConfigureReply>;
}

export const nodeVerbs = ({ attempts, status, drain, probe, verify, configure }: VerbsOptions): Verbs => ({
  run: verb(RunRequestSchema, RunReplySchema, request => attempts.run(request)),
  slice: verb(SliceRequestSchema, RunReplySchema, request => attempts.slice(request)),
  cancel: verb(CancelAttemptRequestSchema, CancelAttemptReplySchema, request => attempts.cancel(request)),
  status: verb(StatusRequestSchema, StatusReplySchema, status),
  drain: verb(DrainRequestSchema, DrainReplySchema, request => drain(request.drain)),
  probe: verb(ProbeRequestSchema, ProbeReplySchema, probe),
  verify: verb(VerifyRequestSchema, VerifyReplySchema, verify),
  configure: verb(ConfigureRequestSchema, ConfigureReplySchema, configure),
});

const verb =
  <Q, A>(request: z.ZodType<Q>, reply: z.ZodType<A>, handle: (request: Q) => Promise<A> | A): Handle =>
  async bytes =>
    encode(reply, await handle(decode(request, bytes)));
