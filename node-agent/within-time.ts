/** A limit in time beside signals. A timer of our own: what `AbortSignal.timeout` makes may be collected before it is due. */
import type { CcliError } from '../protocol/errors.ts';

interface Limits {
  readonly limit_ms: number;
  /** What it is aborted with, and rejects with, once the time is over. */
  readonly late: () => CcliError;
  /** Each ends the work as well, with its own reason. */
  readonly signals: readonly AbortSignal[];
}

/** Settles as the work does, but for the reason of an abort, which comes first. */
export async function withinTime<T>(
  work: (signal: AbortSignal) => Promise<T>,
  { limit_ms, late, signals }: Limits,
): Promise<T> {
  const own = new AbortController();
  const pass = (): void => {
    own.abort(signals.find(({ aborted }) => aborted)?.reason);
  };
  const timer = setTimeout(() => {
    own.abort(late());
  }, limit_ms);
  for (const signal of signals) signal.addEventListener('abort', pass);
  try {
    if (signals.some(({ aborted }) => aborted)) pass();
    return await work(own.signal);
  } catch (error) {
    own.signal.throwIfAborted();
    throw error;
  } finally {
    clearTimeout(timer);
    for (const signal of signals) signal.removeEventListener('abort', pass);
  }
}
