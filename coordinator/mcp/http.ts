/**
 * MCP over streamable HTTP, as a handler of web requests that the HTTP door mounts at `/mcp`. The 2026 revision has no
 * sessions: a request stands for itself, and whoever hangs up has cancelled it. The 2025 revisions have them.
 * `?wait_s=600` in the address sets how long tools wait when a call does not say.
 */
import { setMaxListeners } from 'node:events';
import { createMcpHandler, isLegacyRequest, type McpHttpHandler } from '@modelcontextprotocol/server';
import { errorFields, type Log } from '../../protocol/daemon/log.ts';
import { CcliError } from '../../protocol/errors.ts';
import type { Operations } from '../operations.ts';
import { createCalls } from './calls.ts';
import { DEFAULT_WAIT_MS, MAX_WAIT_S, type McpDoor, type McpStreams } from './door.ts';
import { holdAll, listenBus, listenOf } from './listens.ts';
import { PARSE_ERROR, rpcError } from './rpc-error.ts';
import { createServer } from './server.ts';
import { createSessions, type SessionLimits } from './sessions.ts';
import { untilRead } from './until-read.ts';
import { createWatches } from './watches.ts';

export interface McpEndpoint {
  /**
   * @param caller whose tasks these are
   * @param onStream called before a stream is opened that stays open for as long as the client likes; may refuse it
   */
  handle(request: Request, caller: string, onStream?: () => void): Promise<Response>;
  /** Ends every session. */
  close(): Promise<void>;
}

interface McpEndpointOptions {
  readonly operations: Operations;
  readonly streams: McpStreams;
  readonly log: Log;
  readonly limits?: Partial<SessionLimits & { readonly listens: number }>;
}

const DEFAULT_LIMITS = { sessions: 256, sessions_of_caller: 128, idle_ms: 30 * 60_000, listens: 256 };
/** For calls that answer with how their task stands when the server stops. */
const LAST_WORDS_MS = 1_000;

export function createMcpEndpoint({ operations, streams, log, ...options }: McpEndpointOptions): McpEndpoint {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const stopping = new AbortController();
  // Every call that waits listens to it.
  setMaxListeners(0, stopping.signal);
  const calls = createCalls();
  /** Each until it has been read, or its reader has gone. */
  const answers = createCalls();
  const listening = new Set<McpHttpHandler>();
  const onerror = (error: Error): void => {
    log.debug('mcp_error', errorFields(error));
  };
  const doorFor = (caller: string, address: string): McpDoor => ({
    operations,
    streams,
    caller,
    wait_ms: waitOf(address),
    stopping: stopping.signal,
    onCall: calls.add,
    log,
  });
  const sessions = createSessions({
    limits,
    log,
    open: (request, caller, onCall) => {
      const door = doorFor(caller, request.url);
      return createServer({
        ...door,
        onCall: call => {
          door.onCall(call);
          onCall(call);
        },
      });
    },
  });
  const callers = new Map<string, McpHttpHandler>();

  const handlerOf = (caller: string): McpHttpHandler => {
    const known = callers.get(caller);
    if (known !== undefined) return known;
    const handler = createMcpHandler(
      ({ requestInfo }) => createServer(doorFor(caller, requestInfo?.url ?? '')),
      { legacy: 'reject', onerror },
    );
    callers.set(caller, handler);
    return handler;
  };

  /** A handler of its own, so that its stream hears of what it asked for and of nothing else. */
  const listen = async (request: Request, caller: string, body: unknown, uris: readonly string[]) => {
    const door = doorFor(caller, request.url);
    const handler = createMcpHandler(() => createServer(door), {
      legacy: 'reject',
      onerror,
      maxSubscriptions: listening.size < limits.listens ? 1 : 0,
      bus: listenBus(onChange => {
        const watches = createWatches(door, onChange);
        holdAll(watches, uris);
        listening.add(handler);
        return () => {
          watches.close();
          listening.delete(handler);
        };
      }),
    });
    return await handler.fetch(request, { parsedBody: body });
  };

  const answering = async (work: () => Promise<Response>): Promise<Response> => {
    let done = (): void => undefined;
    answers.add(
      new Promise<void>(resolve => {
        done = resolve;
      }),
    );
    try {
      return untilRead(await work(), done);
    } catch (error) {
      done();
      throw error;
    }
  };

  return {
    async handle(request, caller, onStream) {
      // Refused before anything is opened.
      waitOf(request.url);
      if (stopping.signal.aborted) throw new CcliError('shutting_down');
      const read = await readJson(request);
      if (read === 'not JSON') return unreadable();
      const { body } = read;
      if (request.method === 'GET') onStream?.();
      if (await isLegacyRequest(request, body)) {
        const session = () => sessions.handle(request, caller, body);
        return request.method === 'POST' ? await answering(session) : await session();
      }
      const wanted = listenOf(body);
      if (wanted !== undefined) {
        onStream?.();
        return await listen(request, caller, body, wanted.uris);
      }
      return await answering(() => handlerOf(caller).fetch(request, { parsedBody: body }));
    },
    async close() {
      stopping.abort();
      await answers.settle(LAST_WORDS_MS);
      await Promise.all([...callers.values(), ...listening].map(handler => handler.close()));
      await sessions.close();
      await calls.settle(LAST_WORDS_MS);
    },
  };
}

async function readJson(request: Request): Promise<{ readonly body: unknown } | 'not JSON'> {
  if (request.method !== 'POST') return { body: undefined };
  const text = await request.text();
  try {
    return { body: JSON.parse(text) as unknown };
  } catch {
    return 'not JSON';
  }
}

const unreadable = (): Response =>
  rpcError({
    http: 400,
    code: PARSE_ERROR,
    message: 'Parse error: the body is not valid JSON.',
    reason: 'invalid_request',
  });

/** @throws CcliError `invalid_request` */
function waitOf(address: string): number {
  const text = new URL(address, 'http://localhost').searchParams.get('wait_s');
  if (text === null) return DEFAULT_WAIT_MS;
  const seconds = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (seconds >= 1 && seconds <= MAX_WAIT_S) return seconds * 1_000;
  throw new CcliError(
    'invalid_request',
    `wait_s in the address of /mcp: a whole number from 1 to ${MAX_WAIT_S}.`,
  );
}
