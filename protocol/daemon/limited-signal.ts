/**
 * A limit in time beside signals. A timer and listeners of our own: what `AbortSignal.timeout` makes may be collected
 * before it is due, and Node 20 keeps what `AbortSignal.any` makes for as long as its longest-lived source.
 */
export interface LimitedSignal {
  readonly signal: AbortSignal;
  /** Whether it was the time that ended it. */
  readonly late: () => boolean;
  /** To be called once nobody waits for it any more: from then on it stays as it is. */
  readonly clear: () => void;
}

/**
 * @param signals each ends it as well, with its own reason
 * @param reason of the end once the time is over
 */
export function limitedSignal(
  signals: readonly AbortSignal[],
  limit_ms: number,
  reason: () => Error = () => new DOMException('The time is over.', 'TimeoutError'),
): LimitedSignal {
  const own = new AbortController();
  let late = false;
  const clear = (): void => {
    clearTimeout(timer);
    for (const signal of signals) signal.removeEventListener('abort', pass);
  };
  const pass = (): void => {
    clear();
    own.abort(signals.find(({ aborted }) => aborted)?.reason);
  };
  const timer = setTimeout(() => {
    clear();
    late = true;
    own.abort(reason());
  }, limit_ms);
  for (const signal of signals) signal.addEventListener('abort', pass);
  if (signals.some(({ aborted }) => aborted)) pass();
  return { signal: own.signal, late: () => late, clear };
}

interface Limits {
  readonly limit_ms: number;
  readonly late: () => Error;
  readonly signals: readonly AbortSignal[];
}

/** Settles as the work does, but for the reason of an abort, which comes first. */
export async function withinTime<T>(
  work: (signal: AbortSignal) => Promise<T>,
  { limit_ms, late, signals }: Limits,
): Promise<T> {
  const { signal, clear } = limitedSignal(signals, limit_ms, late);
  try {
    return await work(signal);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    clear();
  }
}
