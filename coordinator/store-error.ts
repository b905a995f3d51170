/** What a failure of the store means to whoever asked. */
import { JetStreamApiCodes, JetStreamApiError } from '@nats-io/jetstream';
import { RequestError, TimeoutError } from '@nats-io/nats-core';
import { CcliError } from '../protocol/errors.ts';

/** JetStream's own words for a store that has reached its bound. */
const FULL = /maximum bytes exceeded|insufficient (storage|resources)|no space left/;

/** @throws CcliError `store_unavailable`, `store_full` */
export async function available<T>(operation: Promise<T>): Promise<T> {
  try {
    return await operation;
  } catch (error) {
    throw storeError(error);
  }
}

export function storeError(cause: unknown): CcliError {
  if (cause instanceof CcliError) return cause;
  if (cause instanceof Error && FULL.test(cause.message))
    return new CcliError('store_full', undefined, { cause });
  if (cause instanceof JetStreamApiError || cause instanceof RequestError || cause instanceof TimeoutError) {
    return new CcliError('store_unavailable', undefined, { cause });
  }
  return new CcliError('store_unavailable', 'The task store could not be reached; try again.', { cause });
}

/** The stream, and so the bucket, is not there. */
export const isMissing = (error: unknown): boolean =>
  error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound;
