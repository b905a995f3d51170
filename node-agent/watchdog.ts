/** Ends a run whose tool gives no sign of life. */

export interface Watchdog {
  /** From here on, silence counts. */
  readonly start: () => void;
  /** A sign of life. Cheap: it may come with every chunk. */
  readonly alive: () => void;
  readonly stop: () => void;
}

/** Without `idle_ms` nothing is watched. */
export function createWatchdog(idle_ms: number | undefined, onSilence: () => void): Watchdog {
  let timer: NodeJS.Timeout | undefined;
  let last = 0;
  let stopped = false;

  const arm = (ms: number): void => {
    timer = setTimeout(() => {
      // A daemon that was busy or frozen runs its timers before it looks at its pipes: they get a turn first.
      setImmediate(look);
    }, ms);
  };
  const look = (): void => {
    if (stopped || idle_ms === undefined) return;
    const left = idle_ms - (performance.now() - last);
    if (left > 0) arm(Math.ceil(left));
    else onSilence();
  };

  return {
    start() {
      if (idle_ms === undefined || stopped) return;
      last = performance.now();
      arm(idle_ms);
    },
    alive() {
      last = performance.now();
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
