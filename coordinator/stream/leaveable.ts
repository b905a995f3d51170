/** An iteration that its reader can leave at any moment, also while it waits for the next event. */

/** Ends when the signal aborts, without an error and without a further event. */
export function leaveable<T>(
  signal: AbortSignal,
  produce: (left: AbortSignal) => AsyncGenerator<T, void>,
): AsyncIterableIterator<T> {
  const leaving = new AbortController();
  const leave = (): void => {
    leaving.abort(signal.reason);
  };
  if (signal.aborted) leave();
  else signal.addEventListener('abort', leave, { once: true });
  const events = produceUntilLeft();
  return {
    next: () => events.next(),
    async return() {
      leave();
      await events.return();
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };

  async function* produceUntilLeft(): AsyncGenerator<T, void> {
    try {
      for await (const event of produce(leaving.signal)) {
        if (leaving.signal.aborted) return;
        yield event;
      }
    } catch (error) {
      if (!leaving.signal.aborted) throw error;
    } finally {
      signal.removeEventListener('abort', leave);
    }
  }
}
