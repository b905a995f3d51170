/**
 * Reads an object of the object store by its messages. The client library makes a consumer for every read and leaves it
 * to the server, which removes it minutes later, and refuses all reads once there are a thousand.
 */
import { createHash } from 'node:crypto';
import type { JetStreamManager, StoredMsg } from '@nats-io/jetstream';
import { RequestError } from '@nats-io/nats-core';
import type { ObjectInfo, ObjectStore } from '@nats-io/obj';

interface Source {
  readonly blobs: ObjectStore;
  readonly manager: JetStreamManager;
  /** The stream below `blobs`. */
  readonly stream: string;
}

const DIGEST = 'SHA-256=';

/**
 * @returns undefined when there is no such object
 * @throws Error when its bytes are gone, or are not those that were stored
 */
export async function readObject(
  { blobs, manager, stream }: Source,
  name: string,
): Promise<Uint8Array | undefined> {
  const info = await blobs.info(name);
  if (info === null || info.deleted) return undefined;
  const chunks: Uint8Array[] = [];
  const next_by_subj = `$O.${info.bucket}.C.${info.nuid}`;
  for (let seq = 1; chunks.length < info.chunks; ) {
    const chunk = await nextMessage(manager, stream, { seq, next_by_subj });
    if (chunk === null) throw new Error(`chunk ${chunks.length} of ${info.chunks} of ${name} is gone`);
    chunks.push(chunk.data);
    seq = chunk.seq + 1;
  }
  return verified(info, chunks);
}

/** The first from `seq` on. */
async function nextMessage(
  manager: JetStreamManager,
  stream: string,
  query: { readonly seq: number; readonly next_by_subj: string },
): Promise<StoredMsg | null> {
  const found = await manager.direct.getMessage(stream, query).catch((error: unknown) => {
    // Of a stream that allows no direct reads.
    if (error instanceof RequestError && error.isNoResponders()) return null;
    throw error;
  });
  // Dearer, but this one has everything that was ever acknowledged.
  return found ?? (await manager.streams.getMessage(stream, query));
}

function verified({ name, size, digest }: ObjectInfo, chunks: readonly Uint8Array[]): Uint8Array {
  const [only] = chunks;
  const bytes = chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks);
  const found = createHash('sha256').update(bytes).digest();
  if (bytes.byteLength === size && digest.startsWith(DIGEST)) {
    if (Buffer.from(digest.slice(DIGEST.length), 'base64url').equals(found)) return bytes;
  }
  throw new Error(`${name} is not what was stored: ${bytes.byteLength} bytes, ${found.toString('hex')}`);
}
