/** Waiting for a condition that nothing announces. */
import { setTimeout as delay } from 'node:timers/promises';

interface PollOptions {
  readonly timeout_ms: number;
  /** The first pause; each later one is half as long again, up to `max_pause_ms`. */
  readonly pause_ms: number;
  readonly max_pause_ms: number;
  readonly signal?: AbortSignal | undefined;
}

/** The first defined value that `look` gives; undefined when time ran out. Throws the signal's reason on abort. */
export async function poll<T>(
  look: () => Promise<T | undefined> | T | undefined,
  { timeout_ms, pause_ms, max_pause_ms, signal }: PollOptions,
): Promise<T | undefined> {
  const end = performance.now() + timeout_ms;
  let pause = pause_ms;
  for (;;) {
    signal?.throwIfAborted();
    const value = await look();
    if (value !== undefined) return value;
    if (performance.now() >= end) return undefined;
    await delay(pause, undefined, signal === undefined ? {} : { signal }).catch((error: unknown) => {
      signal?.throwIfAborted();
      throw error;
    });
    pause = Math.min(max_pause_ms, pause * 1.5);
  }
}
