/** Wakes whoever waits: a ring is for those who wait now, and costs nothing when nobody does. */

export interface Bell {
  ring(): void;
  /** Resolves at the next ring, when the signal aborts, or after `limit_ms`. */
  next(options?: { readonly signal?: AbortSignal; readonly limit_ms?: number }): Promise<void>;
}

export function createBell(): Bell {
  let waiting: (() => void)[] = [];
  return {
    ring() {
      const woken = waiting;
      waiting = [];
      for (const wake of woken) wake();
    },
    next({ signal, limit_ms } = {}) {
      if (signal?.aborted === true) return Promise.resolve();
      return new Promise(resolve => {
        const timer = limit_ms === undefined ? undefined : setTimeout(leave, limit_ms);
        function wake(): void {
          clearTimeout(timer);
          signal?.removeEventListener('abort', leave);
          resolve();
        }
        function leave(): void {
          waiting = waiting.filter(other => other !== wake);
          wake();
        }
        signal?.addEventListener('abort', leave, { once: true });
        waiting.push(wake);
      });
    },
  };
}
