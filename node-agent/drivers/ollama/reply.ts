/** Bodies of answers, read with a limit. */
import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import { CcliError } from '../../../protocol/errors.ts';

/** A server with thousands of models stays well below it. */
const MAX_BODY_BYTES = 8 * 1024 * 1024;

/** @throws CcliError `cli_garbled`. */
export async function readText(response: IncomingMessage): Promise<string> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response) {
    const bytes = asBytes(chunk);
    size += bytes.byteLength;
    if (size > MAX_BODY_BYTES)
      throw new CcliError('cli_garbled', `Ollama answered with over ${MAX_BODY_BYTES / 1024 ** 2} MiB.`);
    parts.push(bytes);
  }
  return Buffer.concat(parts).toString('utf8');
}

export function asBytes(chunk: unknown): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk;
  throw new CcliError('internal', 'A byte stream gave something else.');
}

/** Undefined when it is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What a proxy or a newer server may put in place of Ollama's `{"error": "…"}`. */
const ErrorSchema = z.union([
  z.object({ error: z.string(), signin_url: z.string().optional() }),
  z
    .object({ error: z.object({ message: z.string() }) })
    .transform(({ error }) => ({ error: error.message, signin_url: undefined })),
]);

/** Undefined when the text is no error of Ollama's. */
export function errorOf(body: unknown): string | undefined {
  const parsed = ErrorSchema.safeParse(body);
  if (!parsed.success) return undefined;
  const { error, signin_url } = parsed.data;
  return signin_url === undefined ? error : `${error} (sign in at ${signin_url})`;
}
