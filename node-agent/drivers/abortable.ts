/** Waits for work that goes on without us: an abort ends the waiting, not the work. */
export async function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  // Nobody hears of a failure that comes after the waiting has ended.
  work.catch(() => undefined);
  signal.throwIfAborted();
  let stopWaiting = (): void => undefined;
  const aborted = new Promise<'aborted'>(resolve => {
    stopWaiting = () => {
      resolve('aborted');
    };
  });
  signal.addEventListener('abort', stopWaiting, { once: true });
  try {
    const first = await Promise.race([work.then(value => ({ value })), aborted]);
    if (first !== 'aborted') return first.value;
    signal.throwIfAborted();
    throw new Error('unreachable: an aborted signal throws');
  } finally {
    signal.removeEventListener('abort', stopWaiting);
  }
}
