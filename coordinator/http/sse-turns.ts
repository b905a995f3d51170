/** The events of an iterable one by one, each waited for no longer than its reader can stay silent. */

export interface Turns<E> {
  /** The next event, or the end; undefined after so long, or once ended. @throws what the iterable throws */
  next(patience_ms: number): Promise<IteratorResult<E, unknown> | undefined>;
  /** Until the next event is there to be taken. @throws what the iterable throws */
  arrival(): Promise<void>;
  /** Nobody wants any more. @throws what the iterable throws while it ends */
  end(): Promise<void>;
}

export function createTurns<E>(events: AsyncIterable<E>): Turns<E> {
  const iterator = events[Symbol.asyncIterator]();
  let pending: Promise<IteratorResult<E, unknown>> | undefined;
  let ready = false;
  let wake = (): void => undefined;

  const arrived = (): void => {
    ready = true;
    wake();
  };
  /** Listened to once, however often it is waited for: a quiet stream would collect listeners otherwise. */
  const ask = (): Promise<IteratorResult<E, unknown>> => {
    if (pending === undefined) {
      pending = iterator.next();
      pending.then(arrived, arrived);
    }
    return pending;
  };
  const rest = (patience_ms: number): Promise<void> =>
    new Promise(resolve => {
      const timer = setTimeout(resolve, patience_ms);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });

  return {
    async next(patience_ms) {
      const asked = ask();
      if (!ready) await rest(patience_ms);
      // It may have come while this was on its way back from a rest.
      if (!ready) return undefined;
      pending = undefined;
      ready = false;
      return await asked;
    },
    async arrival() {
      await ask();
    },
    async end() {
      wake();
      await iterator.return?.();
    },
  };
}
