/** Waiting for a condition instead of sleeping. */
import { setTimeout as delay } from 'node:timers/promises';

interface WaitOptions {
  readonly timeout_ms?: number;
  readonly pause_ms?: number;
  /** What was waited for, in the message when it never came. */
  readonly what?: string;
}

/**
 * The first value of `condition` that is neither false nor undefined nor null. An error it throws counts as "not yet",
 * and is the cause when time runs out.
 */
export async function waitFor<T>(
  condition: () => Promise<T | false | null | undefined> | T | false | null | undefined,
  { timeout_ms = 30_000, pause_ms = 20, what = 'the condition' }: WaitOptions = {},
): Promise<T> {
  const end = performance.now() + timeout_ms;
  let last: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (value !== false && value !== undefined && value !== null) return value;
    } catch (error) {
      last = error;
    }
    if (performance.now() > end)
      throw new Error(`${what} did not come true in ${timeout_ms} ms`, { cause: last });
    await delay(pause_ms);
  }
}
