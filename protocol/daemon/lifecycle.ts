/** One owner for everything that must be closed: timers, sockets, children, consumers. */
import { errorFields, type Log } from './log.ts';

export interface Lifecycle {
  /** Aborts when stopping begins. */
  readonly signal: AbortSignal;
  /** Closers run in reverse order of their adding, one after another, each once. Refused once stopping has begun. */
  readonly defer: (name: string, close: () => Promise<void> | void) => void;
  /** Runs `work` every `interval_ms` until stopping; the next turn waits for the last one to end. */
  readonly every: (interval_ms: number, work: () => Promise<void> | void) => void;
  /** A promise nobody awaits: its failure goes to `onError`, and stopping waits for it. */
  readonly handOver: (work: Promise<unknown>) => void;
  /** Safe to call twice: both calls get the same end. Failures of closers are reported, and never stop the others. */
  readonly stop: () => Promise<void>;
}

interface LifecycleOptions {
  /** Called with each error that has no caller to go to. */
  readonly onError: (error: unknown, what: string) => void;
}

export function createLifecycle({ onError }: LifecycleOptions): Lifecycle {
  const controller = new AbortController();
  const closers: { name: string; close: () => Promise<void> | void }[] = [];
  const running = new Set<Promise<unknown>>();
  let stopping: Promise<void> | undefined;

  const handOver = (work: Promise<unknown>): void => {
    const watched = work
      .catch((error: unknown) => {
        onError(error, 'background work');
      })
      .finally(() => running.delete(watched));
    running.add(watched);
  };

  const stop = async (): Promise<void> => {
    controller.abort();
    for (const { name, close } of closers.reverse()) {
      try {
        await close();
      } catch (error) {
        onError(error, name);
      }
    }
    await Promise.all(running);
  };

  return {
    signal: controller.signal,
    handOver,
    defer(name, close) {
      if (stopping !== undefined) throw new Error(`${name} was opened while stopping`);
      closers.push({ name, close });
    },
    every(interval_ms, work) {
      let timer: NodeJS.Timeout | undefined;
      const turn = async (): Promise<void> => {
        try {
          await work();
        } catch (error) {
          onError(error, 'a periodic turn');
        } finally {
          arm();
        }
      };
      const arm = (): void => {
        if (controller.signal.aborted) return;
        timer = setTimeout(() => {
          handOver(turn());
        }, interval_ms);
      };
      controller.signal.addEventListener('abort', () => {
        clearTimeout(timer);
      });
      arm();
    },
    stop() {
      stopping ??= stop();
      return stopping;
    },
  };
}

/**
 * Starts something whose parts live in one lifecycle, and closes those that were already there when it fails to start.
 */
export async function startWithin<T>(log: Log, compose: (lifecycle: Lifecycle) => Promise<T>): Promise<T> {
  const lifecycle = createLifecycle({
    onError: (error, what) => {
      log.error('unexpected_error', { what, ...errorFields(error) });
    },
  });
  try {
    return await compose(lifecycle);
  } catch (error) {
    await lifecycle.stop();
    throw error;
  }
}
