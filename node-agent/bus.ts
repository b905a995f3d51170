/** The endpoints of a node's micro service: each a schema in, a schema out, and the part that answers. */
import type { Advert } from '../protocol/advert.ts';
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
import { type Endpoint, jsonEndpoint } from '../protocol/daemon/service.ts';
import { CcliError } from '../protocol/errors.ts';
import type { Names } from '../protocol/subjects.ts';
import type { Attempts } from './attempts.ts';

interface EndpointsOptions {
  readonly names: Names;
  readonly node: string;
  readonly attempts: Attempts;
  readonly status: () => Advert;
  readonly drain: (drain: boolean) => Promise<DrainReply>;
  readonly probe: (request: ProbeRequest) => Promise<ProbeReply>;
  readonly verify: (request: VerifyRequest) => Promise<VerifyReply>;
  readonly configure: (request: ConfigureRequest) => Promise<ConfigureReply>;
  readonly ask: (prompt: string) => Promise<string>;
}

export function nodeEndpoints({ names, node, attempts, ...actions }: EndpointsOptions): Endpoint[] {
  const subject = (verb: Parameters<Names['node']>[1]): { name: string; subject: string } => ({
    name: verb,
    subject: names.node(node, verb),
  });
  return [
    jsonEndpoint({
      ...subject('run'),
      request: RunRequestSchema,
      reply: RunReplySchema,
      handle: request => attempts.run(request),
    }),
    jsonEndpoint({
      ...subject('slice'),
      request: SliceRequestSchema,
      reply: RunReplySchema,
      handle: request => attempts.slice(request),
    }),
    jsonEndpoint({
      ...subject('cancel'),
      request: CancelAttemptRequestSchema,
      reply: CancelAttemptReplySchema,
      handle: request => attempts.cancel(request),
    }),
    jsonEndpoint({
      ...subject('status'),
      request: StatusRequestSchema,
      reply: StatusReplySchema,
      handle: () => actions.status(),
    }),
    jsonEndpoint({
      ...subject('drain'),
      request: DrainRequestSchema,
      reply: DrainReplySchema,
      handle: ({ drain }) => actions.drain(drain),
    }),
    jsonEndpoint({
      ...subject('probe'),
      request: ProbeRequestSchema,
      reply: ProbeReplySchema,
      handle: request => actions.probe(request),
    }),
    jsonEndpoint({
      ...subject('verify'),
      request: VerifyRequestSchema,
      reply: VerifyReplySchema,
      handle: request => actions.verify(request),
    }),
    jsonEndpoint({
      ...subject('configure'),
      request: ConfigureRequestSchema,
      reply: ConfigureReplySchema,
      handle: request => actions.configure(request),
    }),
    {
      ...subject('ask'),
      handle: async bytes => new TextEncoder().encode(await actions.ask(plainText(bytes))),
    },
  ];
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function plainText(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw new CcliError('invalid_request', 'The question is not text in UTF-8.', { cause });
  }
}
