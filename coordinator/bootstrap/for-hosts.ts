/** Work on several hosts at once, but not on all of many. */

/** In the order of the hosts. None that fails stops the others. */
export async function forHosts<T>(
  hosts: readonly string[],
  at_once: number,
  work: (host: string) => Promise<T>,
): Promise<PromiseSettledResult<T>[]> {
  const results = new Map<string, PromiseSettledResult<T>>();
  const waiting = [...hosts];
  const worker = async (): Promise<void> => {
    for (let host = waiting.shift(); host !== undefined; host = waiting.shift()) {
      const [result] = await Promise.allSettled([work(host)]);
      results.set(host, result);
    }
  };
  await Promise.all(Array.from({ length: Math.min(at_once, hosts.length) }, worker));
  return hosts.flatMap(host => results.get(host) ?? []);
}
