/** A promise that must keep within a time, or until somebody stops it. */
import { reasonOf } from './failure.ts';

interface Limits {
  readonly timeout_ms?: number | undefined;
  readonly late: () => Error;
  readonly signal?: AbortSignal | undefined;
}

/** Settles once: with the work, with `late()`, or with the reason of the signal. */
export function within<T>(work: Promise<T>, { timeout_ms, late, signal }: Limits): Promise<T> {
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
