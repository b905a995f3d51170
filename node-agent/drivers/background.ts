/** Work that nobody waits for but whoever closes: its failure is told to the log alone. */
import { errorFields, type Log } from '../../protocol/daemon/log.ts';

export interface Background {
  /** `event` is what the log calls its failure. */
  start(event: string, work: Promise<unknown>): void;
  /** Settles once there is none left; never rejects. */
  ended(): Promise<void>;
}

/** Failures after `signal` has been aborted belong to the end, and are not told. */
export function createBackground(log: Log, signal: AbortSignal): Background {
  const running = new Set<Promise<void>>();
  return {
    start(event, work) {
      const watched: Promise<void> = work
        .then(
          () => undefined,
          (error: unknown) => {
            if (!signal.aborted) log.warn(event, errorFields(error));
          },
        )
        .finally(() => running.delete(watched));
      running.add(watched);
    },
    async ended() {
      while (running.size > 0) await Promise.all(running);
    },
  };
}
