import { TimeoutError } from '@nats-io/nats-core';
import { CcliError } from '../../protocol/errors.ts';

/** Whether a request may have been carried out although no answer came. */
export const isUnclear = (error: unknown): boolean =>
  error instanceof CcliError &&
  (error.code === 'nats_unreachable' ||
    (error.code === 'no_coordinator' && error.cause instanceof TimeoutError));
