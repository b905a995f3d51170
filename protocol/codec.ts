/** JSON with a schema and a size limit, on the way in and on the way out. */
import type { z } from 'zod';
import { CcliError } from './errors.ts';
import { MAX_MESSAGE_BYTES } from './limits.ts';

/** The version of the wire this code speaks; every stored or reported message carries it as `v`. */
export const WIRE_VERSION = 1;

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

/**
 * @throws CcliError `message_too_large` over `max_bytes`; `invalid_request` when the value breaks its own schema,
 *   so that a mistake of ours is met where it is made and not on another host.
 */
export function encode<T>(schema: z.ZodType<T>, value: T, max_bytes: number = MAX_MESSAGE_BYTES): Uint8Array {
  const bytes = encoder.encode(JSON.stringify(check(schema, value)));
  if (bytes.byteLength > max_bytes) {
    throw new CcliError(
      'message_too_large',
      `The message has ${bytes.byteLength} bytes; ${max_bytes} is the limit.`,
    );
  }
  return bytes;
}

/**
 * An empty payload reads as `{}`: `nats req subject ''` is how people ask for a status.
 *
 * @throws CcliError `message_too_large`; `unsupported_version` when `v` is newer than this code; `invalid_request`
 *   naming each field that does not fit.
 */
export function decode<T>(schema: z.ZodType<T>, bytes: Uint8Array, max_bytes: number = MAX_MESSAGE_BYTES): T {
  if (bytes.byteLength > max_bytes) {
    throw new CcliError(
      'message_too_large',
      `The message has ${bytes.byteLength} bytes; ${max_bytes} is the limit.`,
    );
  }
  const value = bytes.byteLength === 0 ? {} : parse(bytes);
  const version = versionOf(value);
  if (version !== undefined && version > WIRE_VERSION) {
    throw new CcliError(
      'unsupported_version',
      `The message is of version ${version}; this program knows up to ${WIRE_VERSION}. Upgrade ccli here.`,
    );
  }
  return check(schema, value);
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(bytes));
  } catch (cause) {
    throw new CcliError('invalid_request', 'The message is not JSON in UTF-8.', { cause });
  }
}

function versionOf(value: unknown): number | undefined {
  if (typeof value !== 'object' || value === null || !('v' in value)) return undefined;
  return typeof value.v === 'number' ? value.v : undefined;
}

/** @throws CcliError `invalid_request` naming each field that does not fit. */
export function check<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const problems = result.error.issues.slice(0, 10).map(issue => {
    const path = issue.path.map(String).join('.');
    return path === '' ? issue.message : `${path}: ${issue.message}`;
  });
  throw new CcliError('invalid_request', `The request does not fit: ${problems.join('; ')}.`);
}
