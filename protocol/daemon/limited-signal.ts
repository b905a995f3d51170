/**
 * A signal with a limit in time. A timer of our own: what `AbortSignal.timeout` makes may be collected before it is due
 * when only `AbortSignal.any` knows of it.
 */
export interface LimitedSignal {
  readonly signal: AbortSignal;
  /** Whether it was the time that ended it. */
  readonly late: () => boolean;
  /** To be called once nobody waits for it any more. */
  readonly clear: () => void;
}

export function limitedSignal(signals: readonly AbortSignal[], limit_ms: number): LimitedSignal {
  const timeout = new AbortController();
  const timer = setTimeout(() => {
    timeout.abort(new DOMException('The time is over.', 'TimeoutError'));
  }, limit_ms);
  return {
    signal: AbortSignal.any([...signals, timeout.signal]),
    late: () => timeout.signal.aborted,
    clear: () => {
      clearTimeout(timer);
    },
  };
}
