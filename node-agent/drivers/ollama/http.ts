/**
 * Requests to one Ollama server. Nothing but the connecting has a time limit here: a model may take minutes to load, and
 * whoever waits for it says for how long.
 */
import {
  type ClientRequest,
  type IncomingMessage,
  Agent as PlainAgent,
  request as plainRequest,
} from 'node:http';
import { Agent as TlsAgent, request as tlsRequest } from 'node:https';
import type { Socket } from 'node:net';
import { CcliError } from '../../../protocol/errors.ts';
import { hasCode, unreachable } from './unreachable.ts';

export interface Call {
  /** A `GET` only looks; a `POST` sets a model to work, and is sent once. */
  readonly method: 'GET' | 'POST';
  /** Below the endpoint: `/api/chat`. */
  readonly path: string;
  readonly body?: unknown;
}

export interface OllamaHttp {
  /**
   * Settles only when the exchange is over: the answer was read to its end, or its connection is closed, by which the
   * server knows that nobody waits any more.
   *
   * @throws CcliError `endpoint_unreachable`, `cli_garbled`, and whatever `read` throws. On abort, the signal's reason.
   */
  request<T>(call: Call, read: (response: IncomingMessage) => Promise<T>, signal: AbortSignal): Promise<T>;
  close(): void;
}

/** The system's own limit is two minutes, in which a host that is switched off looks like a slow model. */
const CONNECT_TIMEOUT_MS = 10_000;

export function createOllamaHttp(endpoint: string): OllamaHttp {
  const base = new URL(endpoint);
  const tls = base.protocol === 'https:';
  const agent = tls ? new TlsAgent({ keepAlive: true }) : new PlainAgent({ keepAlive: true });
  const prefix = base.pathname.replace(/\/+$/, '');

  const send = ({ method, path, body }: Call): ClientRequest => {
    const bytes = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    const request = (tls ? tlsRequest : plainRequest)({
      // A connection that was idle may break under the request, and nobody can tell whether a model is at work on it.
      agent: method === 'GET' && agent,
      protocol: base.protocol,
      // An IPv6 address stands in brackets in a URL, and without them everywhere else.
      hostname: base.hostname.replace(/^\[(.*)\]$/, '$1'),
      port: base.port,
      method,
      path: `${prefix}${path}`,
      headers: {
        accept: 'application/x-ndjson, application/json',
        ...(bytes !== undefined && {
          'content-type': 'application/json',
          'content-length': bytes.byteLength,
        }),
      },
    });
    request.end(bytes);
    return request;
  };

  return {
    async request(call, read, signal) {
      for (;;) {
        signal.throwIfAborted();
        const exchange = begin(send(call), tls ? 'secureConnect' : 'connect');
        const abort = (): void => {
          exchange.request.destroy();
        };
        signal.addEventListener('abort', abort, { once: true });
        try {
          const response = await exchange.response;
          return await read(response);
        } catch (error) {
          signal.throwIfAborted();
          if (error instanceof CcliError) throw error;
          // The server had closed the idle connection while we were about to use it again.
          if (call.method === 'GET' && exchange.request.reusedSocket && isReset(error)) continue;
          throw unreachable(endpoint, error);
        } finally {
          signal.removeEventListener('abort', abort);
          await exchange.over();
        }
      }
    },
    close() {
      agent.destroy();
    },
  };
}

interface Exchange {
  readonly request: ClientRequest;
  readonly response: Promise<IncomingMessage>;
  /** Closes the connection unless the answer was read to its end. */
  over(): Promise<void>;
}

function begin(request: ClientRequest, connected: 'connect' | 'secureConnect'): Exchange {
  let socket: Socket | undefined;
  let answer: IncomingMessage | undefined;
  const closed = new Promise<void>(resolve => {
    request.once('close', resolve);
  });
  const response = new Promise<IncomingMessage>((resolve, reject) => {
    request.once('response', message => {
      answer = message;
      resolve(message);
    });
    // More than one may come, and the first tells the reason.
    request.on('error', reject);
    // Destroyed without an error, which only an abort does.
    void closed.then(() => {
      reject(new Error('the connection was closed'));
    });
  });
  request.once('socket', given => {
    socket = given;
    if (given.connecting) limitConnecting(request, given, connected);
  });
  return {
    request,
    response,
    async over() {
      if (answer?.complete !== true || !answer.readableEnded) request.destroy();
      await closed;
      if (request.destroyed && socket !== undefined && !socket.closed && socket.destroyed)
        await new Promise<void>(resolve => socket?.once('close', resolve));
    },
  };
}

function limitConnecting(request: ClientRequest, socket: Socket, connected: string): void {
  const timer = setTimeout(() => {
    request.destroy(
      Object.assign(new Error(`no connection within ${CONNECT_TIMEOUT_MS / 1000} s`), { code: 'ETIMEDOUT' }),
    );
  }, CONNECT_TIMEOUT_MS);
  const stop = (): void => {
    clearTimeout(timer);
  };
  socket.once(connected, stop);
  socket.once('close', stop);
}

const isReset = (error: unknown): boolean => hasCode(error, 'ECONNRESET') || hasCode(error, 'EPIPE');
