/** Work that a start depends on, asked for again while NATS is away: as patient as the first connection was. */
import { setTimeout as delay } from 'node:timers/promises';
import { ClosedConnectionError, NoRespondersError, RequestError, TimeoutError } from '@nats-io/nats-core';
import { errorFields, type Log } from '../protocol/daemon/log.ts';

const AGAIN_MS = 500;

/** @throws whatever the work throws that is no mere silence; on abort, the last error */
export async function insistOn<T>(work: () => Promise<T>, signal: AbortSignal, log: Log): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!isSilence(error) || signal.aborted) throw error;
      log.warn('nats_silent', errorFields(error));
    }
    await delay(AGAIN_MS, undefined, { signal }).catch(() => undefined);
  }
}

/** Nobody answered, or not in time: a server that is restarting, or a line that has broken. */
function isSilence(error: unknown): boolean {
  if (error instanceof ClosedConnectionError) return false;
  if (error instanceof TimeoutError || error instanceof NoRespondersError || error instanceof RequestError)
    return true;
  return error instanceof Error && error.cause !== undefined && isSilence(error.cause);
}
