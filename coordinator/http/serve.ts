/** The HTTP door of a coordinator, listening. */
import { setMaxListeners } from 'node:events';
import type { Server } from 'node:http';
import type { Lifecycle } from '../../protocol/daemon/lifecycle.ts';
import type { Log } from '../../protocol/daemon/log.ts';
import { CcliError } from '../../protocol/errors.ts';
import { createMcpEndpoint } from '../mcp/http.ts';
import type { LinesCounts } from '../open-lines.ts';
import type { Operations } from '../operations.ts';
import type { Streams } from '../stream/streams.ts';
import { isLoopback } from './address.ts';
import { createAnswerBudget } from './answer-budget.ts';
import { createApp } from './app.ts';
import type { Door } from './door.ts';
import { openKeys } from './keys.ts';
import { listen } from './listen.ts';
import type { HttpMetrics } from './metrics.ts';
import { createRequests } from './requests.ts';
import { createHttpServer } from './server.ts';
import type { HttpSettings } from './settings.ts';
import { createStreamGate } from './stream-gate.ts';

export interface HttpDoor {
  /** Where it is reached: `http://127.0.0.1:8000`. */
  readonly url: string;
}

interface ServeOptions {
  readonly settings: HttpSettings;
  readonly operations: Operations;
  readonly streams: Streams;
  readonly unready: () => string | undefined;
  readonly lines?: () => LinesCounts;
  readonly lifecycle: Lifecycle;
  readonly log: Log;
}

/** For requests that are being answered when the door closes; and for the refusals of those that take longer. */
const GRACE_MS = 1_500;
const LAST_WORDS_MS = 500;
const CLOSE_LIMIT_MS = 4_000;

/** @throws CcliError `address_in_use`, `config_invalid` */
export async function serveHttp(options: ServeOptions): Promise<HttpDoor> {
  const { settings, streams, lifecycle, log } = options;
  const { keys_file, limits } = settings;
  if (keys_file === undefined && !isLoopback(settings.host))
    throw new CcliError(
      'config_invalid',
      `http.host ${settings.host} can be reached by others: name a file of API keys in http.keys_file, or listen on 127.0.0.1.`,
    );
  const clock = (): number => performance.now();
  const keys = keys_file === undefined ? undefined : await openKeys({ file: keys_file, clock, log });

  const closing = new AbortController();
  // As many listen as wait, and as many follow.
  setMaxListeners(0, closing.signal);
  const door: Door = {
    ...options,
    streamGate: createStreamGate(limits.streams),
    answers: createAnswerBudget(limits.answers),
    signal: closing.signal,
  };
  const requests = createRequests();
  const mcp = createMcpEndpoint(door);
  let metrics: HttpMetrics | undefined;
  const app = createApp(door, {
    requests,
    mcp,
    ...(keys !== undefined && { keys }),
    onMetrics: made => {
      metrics = made;
    },
  });
  const server = createHttpServer({ app, limits, requests, onDrop: () => metrics?.dropped(), log });

  const url = await listen(server, settings).catch(async (error: unknown) => {
    await mcp.close();
    throw error;
  });
  const close = async (): Promise<void> => {
    const stopped = stop(server);
    const answered = requests.close(GRACE_MS);
    closing.abort();
    try {
      // Their readers are told, and the answers that carry them come to their end.
      await streams.close();
      await mcp.close();
      await answered;
      await requests.giveUp(LAST_WORDS_MS);
    } finally {
      server.closeAllConnections();
      await stopped;
    }
  };
  lifecycle.defer('http', close, CLOSE_LIMIT_MS);
  log.info('http_listening', { url, keys: keys !== undefined });
  return { url };
}

/** Resolves when it has stopped listening and every connection is gone. */
const stop = (server: Server): Promise<void> =>
  new Promise((resolve, reject) => {
    server.close(error => {
      if (error === undefined) resolve();
      else reject(error);
    });
  });
