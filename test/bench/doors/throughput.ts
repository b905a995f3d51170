/** Requests a second, so many at a time. */

interface ThroughputOptions {
  readonly requests: number;
  readonly in_flight: number;
  readonly signal: AbortSignal;
}

export async function requestsPerSecond(
  once: () => Promise<void>,
  { requests, in_flight, signal }: ThroughputOptions,
): Promise<number> {
  let left = requests;
  const began = performance.now();
  const work = async (): Promise<void> => {
    while (left > 0) {
      signal.throwIfAborted();
      left -= 1;
      await once();
    }
  };
  await Promise.all(Array.from({ length: in_flight }, work));
  return (requests * 1_000) / (performance.now() - began);
}
