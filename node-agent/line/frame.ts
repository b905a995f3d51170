/** The lines a node writes and reads: JSON in JSON, where the inner one has been checked by its own schema. */
import { z } from 'zod';
import { decode, WIRE_VERSION } from '../../protocol/codec.ts';
import { CcliError, toErrorBody } from '../../protocol/errors.ts';
import { type FromNode, MAX_LINE_BYTES, type ToNode, ToNodeSchema } from '../../protocol/line.ts';

type Kind = FromNode['kind'];

/** `{"kind":…,"v":1,…head,"<field>":<json>}` */
export const frame = (
  kind: Kind,
  head: Readonly<Record<string, unknown>>,
  field: string,
  json: Uint8Array,
): Buffer =>
  Buffer.concat([
    Buffer.from(`${JSON.stringify({ kind, v: WIRE_VERSION, ...head }).slice(0, -1)},"${field}":`),
    json,
    Buffer.from('}\n'),
  ]);

export const plain = (message: FromNode): Buffer => Buffer.from(`${JSON.stringify(message)}\n`);

export const errorLine = (error: unknown, id?: number): Buffer =>
  plain({ kind: 'error', v: WIRE_VERSION, ...(id !== undefined && { id }), error: toErrorBody(error) });

/** Never comes from a coordinator: a daemon that starts asks a stand-in to make way for it. */
const WindUpSchema = z.object({ kind: z.literal('wind_up'), v: z.int().positive() });
export const windUpLine = (): Buffer =>
  Buffer.from(`${JSON.stringify({ kind: 'wind_up', v: WIRE_VERSION })}\n`);

const IncomingSchema = z.discriminatedUnion('kind', [...ToNodeSchema.options, WindUpSchema]);
type Incoming = ToNode | z.infer<typeof WindUpSchema>;

/** What is wrong with a line, and the request it was, if that much can be read. */
export interface Unreadable {
  readonly kind: 'unreadable';
  readonly error: CcliError;
  readonly id: number | undefined;
}

export function readFrame(bytes: Uint8Array): Incoming | Unreadable {
  try {
    return decode(IncomingSchema, bytes, MAX_LINE_BYTES);
  } catch (cause) {
    const error = cause instanceof CcliError ? cause : new CcliError('invalid_request', undefined, { cause });
    return { kind: 'unreadable', error, id: requestId(bytes) };
  }
}

const RequestHeadSchema = z.object({ kind: z.literal('request'), id: z.int().nonnegative() });

function requestId(bytes: Uint8Array): number | undefined {
  try {
    return RequestHeadSchema.safeParse(JSON.parse(Buffer.from(bytes).toString())).data?.id;
  } catch {
    // Not JSON: there is no request to name.
    return undefined;
  }
}
