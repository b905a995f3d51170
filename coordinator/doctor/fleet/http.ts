/** Whether the HTTP door that the coordinator names opens. */
import type { Check } from '../../../protocol/daemon/checks.ts';
import { isLoopback } from '../../../protocol/daemon/judge-nats.ts';
import { fail, ok, skipped, type Verdict } from '../../../protocol/finding.ts';
import type { FleetContext } from './context.ts';

const LIMIT_MS = 5_000;

export const httpCheck: Check<FleetContext> = {
  id: 'http',
  title: 'the HTTP door',
  limit_ms: LIMIT_MS,
  needs: ['coordinator'],
  async run({ status, access, clock }, signal) {
    const { http_url } = await status();
    if (http_url === undefined) return [ok('This coordinator serves no HTTP.')];
    if (isLoopback(new URL(http_url).host) && !isLoopback(access.connection.getServer()))
      return [skipped(`${http_url} is open on the host of the coordinator alone.`)];
    const began = clock();
    return [await knock(http_url, signal, () => clock() - began)];
  },
};

async function knock(http_url: string, signal: AbortSignal, took: () => number): Promise<Verdict> {
  const url = `${http_url.replace(/\/$/, '')}/healthz`;
  const mend =
    'Look at the log of the coordinator, at http.host and http.port, and at what stands in between.';
  try {
    const response = await fetch(url, { signal, redirect: 'manual' });
    await response.arrayBuffer();
    if (response.ok) return ok(`${http_url} answers.`, { took_ms: took() });
    return fail(`${url} answers with status ${response.status}.`, mend, { took_ms: took() });
  } catch (error) {
    signal.throwIfAborted();
    const why = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : '';
    return fail(`${http_url} does not answer${why}.`, mend);
  }
}
