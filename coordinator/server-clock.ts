/**
 * How long ago something was stored, by the one clock that stamps everything stored: the server's. This host's own
 * wall clock has no part in it.
 */
export interface ServerClock {
  /** The server's time, as an answer of right now tells it; servers before 2.10 do not. */
  readonly set: (timestamp: string | undefined) => void;
  /** 0 while the server's time is not known. */
  readonly age: (stored_at_ms: number) => number;
}

/** @param clock milliseconds on this process's monotonic clock */
export function createServerClock(clock: () => number): ServerClock {
  let offset_ms: number | undefined;
  return {
    set(timestamp) {
      const now_ms = timestamp === undefined ? Number.NaN : Date.parse(timestamp);
      if (!Number.isNaN(now_ms)) offset_ms = now_ms - clock();
    },
    age: stored_at_ms => (offset_ms === undefined ? 0 : Math.max(0, clock() + offset_ms - stored_at_ms)),
  };
}
