/** One owner for everything that must be closed: timers, sockets, children, consumers. */
import { setMaxListeners } from 'node:events';
import { errorFields, type Log } from './log.ts';
import { withinLimit } from './within-limit.ts';

export interface Lifecycle {
  /** Aborts when stopping begins. */
  readonly signal: AbortSignal;
  /**
   * Closers run in reverse order of their adding, one after another, each once. Refused once stopping has begun.
   *
   * @param limit_ms how long the others wait for this one, when that is not the lifecycle's own limit
   */
  readonly defer: (name: string, close: () => Promise<void> | void, limit_ms?: number) => void;
  /** Runs `work` every `interval_ms` until stopping; the next turn waits for the last one to end. */
  readonly every: (interval_ms: number, work: () => Promise<void> | void) => void;
  /** A promise nobody awaits: its failure goes to `onError`, and stopping waits for it, no longer than for a closer. */
  readonly handOver: (work: Promise<unknown>) => void;
  /** Safe to call twice: both calls get the same end. Failures of closers are reported, and never stop the others. */
  readonly stop: () => Promise<void>;
}

interface LifecycleOptions {
  /** Called with each error that has no caller to go to. */
  readonly onError: (error: unknown, what: string) => void;
  /** Stopping goes on without whatever takes longer. Without it, it waits for as long as that takes. */
  readonly patience?: { readonly limit_ms: number; readonly onLate: (what: string) => void };
}

interface Closer {
  readonly name: string;
  readonly close: () => Promise<void> | void;
  readonly limit_ms: number | undefined;
}

export function createLifecycle({ onError, patience }: LifecycleOptions): Lifecycle {
  const controller = new AbortController();
  // Every open request and timer listens to it, so many that Node would take them for a leak.
  setMaxListeners(0, controller.signal);
  const closers: Closer[] = [];
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

  /** Never rejects. What is late still has its failure reported, should the process live to see it. */
  const patiently = async (
    what: string,
    work: () => unknown,
    limit_ms: number | undefined,
  ): Promise<void> => {
    const done = (async () => {
      try {
        await work();
      } catch (error) {
        onError(error, what);
      }
    })();
    if (patience === undefined) await done;
    else if (!(await withinLimit(done, limit_ms ?? patience.limit_ms))) patience.onLate(what);
  };

  const stop = async (): Promise<void> => {
    controller.abort();
    for (const { name, close, limit_ms } of closers.reverse()) await patiently(name, close, limit_ms);
    await patiently('background work', () => Promise.all(running), undefined);
  };

  return {
    signal: controller.signal,
    handOver,
    defer(name, close, limit_ms) {
      if (stopping !== undefined) throw new Error(`${name} was opened while stopping`);
      closers.push({ name, close, limit_ms });
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
 * What closes over the network is given up after this: a daemon that is cut off must end before whoever stops it loses
 * patience, and whatever it then leaves unsaid is found out by the others.
 */
const CLOSE_LIMIT_MS = 2_000;

/**
 * Starts a daemon whose parts live in one lifecycle, and closes those that were already there when it fails to start.
 */
export async function startWithin<T>(log: Log, compose: (lifecycle: Lifecycle) => Promise<T>): Promise<T> {
  const lifecycle = createLifecycle({
    onError: (error, what) => {
      log.error('unexpected_error', { what, ...errorFields(error) });
    },
    patience: {
      limit_ms: CLOSE_LIMIT_MS,
      onLate: what => {
        log.warn('closer_late', { what });
      },
    },
  });
  try {
    return await compose(lifecycle);
  } catch (error) {
    await lifecycle.stop();
    throw error;
  }
}
