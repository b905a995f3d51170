/** Takes the bytes of a body as they come. */
import type { IncomingMessage } from 'node:http';
import { CcliError } from '../../protocol/errors.ts';

interface CollectOptions {
  /** Bytes. */
  readonly limit: number;
  /** Called before so many bytes more are held. */
  readonly take: (bytes: number) => void;
}

/** What is held for a body before more of it has come. */
const FIRST_BYTES = 16 * 1024;

/** @throws CcliError `message_too_large` when the body says that it is */
export function checkLength({ headers }: IncomingMessage, limit: number): void {
  if (Number(headers['content-length'] ?? 0) > limit) throw tooLarge(limit);
}

/**
 * Into one buffer that doubles: pieces that were kept as they come would each cost hundreds of bytes, and a client decides
 * how small they are.
 *
 * @throws CcliError `message_too_large`, `request_incomplete`, and whatever `take` throws
 */
export async function collectBody(
  incoming: IncomingMessage,
  { limit, take }: CollectOptions,
): Promise<Buffer> {
  checkLength(incoming, limit);
  const told = Number(incoming.headers['content-length'] ?? limit);
  let body = Buffer.alloc(0);
  let size = 0;

  const makeRoom = (wanted: number): void => {
    if (wanted <= body.length) return;
    const capacity = Math.max(wanted, Math.min(told, Math.max(FIRST_BYTES, 2 * body.length)));
    take(capacity - body.length);
    const larger = Buffer.allocUnsafeSlow(capacity);
    body.copy(larger, 0, 0, size);
    body = larger;
  };

  await new Promise<void>((resolve, reject) => {
    const onData = (chunk: Buffer): void => {
      try {
        if (size + chunk.length > limit) throw tooLarge(limit);
        makeRoom(size + chunk.length);
        chunk.copy(body, size);
        size += chunk.length;
      } catch (error) {
        settle();
        incoming.pause();
        reject(error instanceof Error ? error : new CcliError('internal', undefined, { cause: error }));
      }
    };
    const onEnd = (): void => {
      settle();
      resolve();
    };
    const onClose = (): void => {
      settle();
      reject(new CcliError('request_incomplete', 'The connection ended before the body did.'));
    };
    const settle = (): void => {
      incoming.off('data', onData).off('end', onEnd).off('close', onClose);
    };
    // It stays: an error that comes later has nobody else to go to.
    incoming.on('error', onClose);
    incoming.on('data', onData).on('end', onEnd).on('close', onClose);
    if (incoming.destroyed) onClose();
  });
  return body.subarray(0, size);
}

const tooLarge = (limit: number): CcliError =>
  new CcliError('message_too_large', `The body is over the limit of ${limit} bytes; send less.`);
