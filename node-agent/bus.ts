/** The endpoints of a node's micro service on NATS: what a line can ask as well, and the debug door. */
import type { Endpoint } from '../protocol/daemon/service.ts';
import { CcliError } from '../protocol/errors.ts';
import { LINE_VERBS } from '../protocol/line.ts';
import type { Names } from '../protocol/subjects.ts';
import type { Verbs } from './verbs.ts';

interface EndpointsOptions {
  readonly names: Names;
  readonly node: string;
  readonly verbs: Verbs;
  readonly ask: (prompt: string) => Promise<string>;
}

export const nodeEndpoints = ({ names, node, verbs, ask }: EndpointsOptions): Endpoint[] => [
  ...LINE_VERBS.map(verb => ({ name: verb, subject: names.node(node, verb), handle: verbs[verb] })),
  {
    name: 'ask',
    subject: names.node(node, 'ask'),
    handle: async bytes => new TextEncoder().encode(await ask(plainText(bytes))),
  },
];

const utf8 = new TextDecoder('utf-8', { fatal: true });

function plainText(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw new CcliError('invalid_request', 'The question is not text in UTF-8.', { cause });
  }
}
