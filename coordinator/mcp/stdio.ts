/**
 * MCP over stdin and stdout, for one client. When that goes away, or the process is told to end, what its calls were
 * waiting for is cancelled, as nobody will read it; tasks that were submitted go on.
 */
import { setMaxListeners } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import type { McpServer, Transport } from '@modelcontextprotocol/server';
import { StdioServerTransport, serveStdio } from '@modelcontextprotocol/server/stdio';
import { errorFields, type Log } from '../../protocol/daemon/log.ts';
import type { Operations } from '../operations.ts';
import { createCalls } from './calls.ts';
import type { McpDoor, McpStreams } from './door.ts';
import { answeredId, cancelledId, holdAll, listenOf } from './listens.ts';
import { createServer } from './server.ts';
import { createWatches } from './watches.ts';

interface McpStdioOptions {
  readonly operations: Operations;
  readonly streams: McpStreams;
  readonly caller: string;
  readonly wait_ms: number;
  readonly stdin: Readable;
  readonly stdout: Writable;
  /** Ends the serving. */
  readonly signal: AbortSignal;
  readonly log: Log;
}

/** A prompt of 32 MiB, escaped in JSON. */
const MAX_MESSAGE_BYTES = 80 * 1024 * 1024;
const MOST_LISTENS = 64;
/** Clients kill a server that takes longer than two seconds to end. */
const LAST_CANCELS_MS = 1_500;

/** Settles when it is over. */
export async function serveMcpStdio(options: McpStdioOptions): Promise<void> {
  const { stdin, stdout, signal, log, ...grounds } = options;
  const calls = createCalls();
  const stopping = new AbortController().signal;
  // Every call that waits listens to it.
  setMaxListeners(0, stopping);
  const door: McpDoor = { ...grounds, log, stopping, onCall: calls.add };
  let server: McpServer | undefined;
  const watches = createWatches(door, uri => {
    server?.server.sendResourceUpdated({ uri }).catch((error: unknown) => {
      log.debug('mcp_notice_undelivered', errorFields(error));
    });
  });
  const listens = new Map<string | number, () => void>();
  const release = (id: string | number | undefined): void => {
    if (id === undefined) return;
    listens.get(id)?.();
    listens.delete(id);
  };
  await new Promise<void>(resolve => {
    const transport = overhear(
      new StdioServerTransport(stdin, stdout, { maxBufferSize: MAX_MESSAGE_BYTES }),
      {
        message(message) {
          const listen = listenOf(message);
          if (listen !== undefined) {
            release(listen.id);
            // More are refused.
            if (listens.size < MOST_LISTENS) listens.set(listen.id, holdAll(watches, listen.uris));
          }
          release(cancelledId(message));
        },
        // One that is refused, or over.
        answered: release,
        closed: resolve,
      },
    );
    const handle = serveStdio(
      () => {
        server = createServer(door);
        return server;
      },
      {
        transport,
        maxSubscriptions: MOST_LISTENS,
        onerror: error => {
          log.warn('mcp_error', errorFields(error));
        },
      },
    );
    const onAbort = (): void => {
      void handle.close();
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
  watches.close();
  await calls.settle(LAST_CANCELS_MS);
}

interface Ears {
  readonly message: (message: unknown) => void;
  readonly answered: (id: string | number) => void;
  readonly closed: () => void;
}

/** The SDK keeps to itself who listens to what on this transport, so that is overheard. */
function overhear(inner: Transport, ears: Ears): Transport {
  const outer: Transport = {
    async start() {
      inner.onmessage = (message, extra) => {
        // First, as a refusal may be sent at once.
        ears.message(message);
        outer.onmessage?.(message, extra);
      };
      inner.onerror = error => {
        outer.onerror?.(error);
      };
      inner.onclose = () => {
        outer.onclose?.();
        ears.closed();
      };
      await inner.start();
    },
    async send(message, sendOptions) {
      const id = answeredId(message);
      if (id !== undefined) ears.answered(id);
      await inner.send(message, sendOptions);
    },
    close: () => inner.close(),
  };
  return outer;
}
