/**
 * Ends the stream on which the answer to a cancelled request would have come: the SDK sends no answer to one, and closes
 * a stream only when all its requests have theirs.
 */
import type { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/server';
import { z } from 'zod';
import { cancelledId } from './listens.ts';

interface Open {
  readonly transport: Pick<WebStandardStreamableHTTPServerTransport, 'closeSSEStream' | 'send'>;
  /** Requests that came together with others, and share a stream with them. */
  readonly batched: ReadonlySet<string | number>;
}

/** JSON-RPC has no code of its own for it; this is the one of the language server protocol. */
const REQUEST_CANCELLED = -32_800;

/** @param body of a request that was handed to the transport */
export async function endCancelled({ transport, batched }: Open, body: unknown): Promise<void> {
  for (const message of messagesOf(body)) {
    const id = cancelledId(message);
    if (id === undefined) continue;
    if (!batched.has(id)) transport.closeSSEStream(id);
    const error = { code: REQUEST_CANCELLED, message: 'The request was cancelled.' };
    // Nothing is sent on a stream that is closed, but the transport forgets the request. It refuses one it does not know.
    await transport.send({ jsonrpc: '2.0', id, error }).catch(() => undefined);
  }
}

const RequestSchema = z.object({ id: z.union([z.string(), z.number()]), method: z.string() });

/** The requests of a batch. */
export const batchOf = (body: unknown): readonly (string | number)[] =>
  Array.isArray(body)
    ? messagesOf(body).flatMap(message => {
        const request = RequestSchema.safeParse(message);
        return request.success ? [request.data.id] : [];
      })
    : [];

const messagesOf = (body: unknown): readonly unknown[] => (Array.isArray(body) ? body : [body]);
