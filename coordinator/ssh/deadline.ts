/** A promise that must keep within a time, or until somebody stops it. */
import { reasonOf } from './failure.ts';

interface Limits<T> {
  readonly timeout_ms?: number | undefined;
  readonly late: () => Error;
  readonly signal?: AbortSignal | undefined;
  /** What came too late: to be closed by whoever knows how. */
  readonly onLeftover?: (value: T) => void;
}

/** Settles once: with the work, with `late()`, or with the reason of the signal. */
export function within<T>(work: Promise<T>, { timeout_ms, late, signal, onLeftover }: Limits<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    let over = false;
    const settle = (act: () => void): void => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      act();
    };
    const onAbort = (): void => {
      settle(() => {
        reject(signal === undefined ? late() : reasonOf(signal));
      });
    };
    const timer =
      timeout_ms === undefined
        ? undefined
        : setTimeout(() => {
            settle(() => {
              reject(late());
            });
          }, timeout_ms);
    work.then(
      value => {
        if (over) onLeftover?.(value);
        settle(() => {
          resolve(value);
        });
      },
      (error: unknown) => {
        settle(() => {
          reject(error instanceof Error ? error : new Error(String(error)));
        });
      },
    );
    if (signal?.aborted === true) onAbort();
    else signal?.addEventListener('abort', onAbort, { once: true });
  });
}
