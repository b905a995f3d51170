/**
 * Sessions of the 2025 revisions over HTTP. A session belongs to the caller who opened it; nobody else can tell that it
 * exists. One that is not used for a while ends by itself, and so does the idlest when there are too many. A call under
 * way is use, also when its client has hung up: to end its session would cancel its task.
 */
import { randomUUID } from 'node:crypto';
import {
  isInitializeRequest,
  type McpServer,
  WebStandardStreamableHTTPServerTransport,
} from '@modelcontextprotocol/server';
import { errorFields, type Log } from '../../protocol/daemon/log.ts';
import { batchOf, endCancelled } from './end-cancelled.ts';
import { rpcError, SERVER_ERROR, SESSION_UNKNOWN } from './rpc-error.ts';
import { untilRead } from './until-read.ts';

export interface SessionLimits {
  readonly sessions: number;
  /** Of these, those of one caller. */
  readonly sessions_of_caller: number;
  /** After this long without a request or an open stream. */
  readonly idle_ms: number;
}

export interface Sessions {
  readonly handle: (request: Request, caller: string, body: unknown) => Promise<Response>;
  readonly count: () => number;
  readonly close: () => Promise<void>;
}

interface Session {
  readonly caller: string;
  readonly transport: WebStandardStreamableHTTPServerTransport;
  /** Requests and streams that are open, and calls under way. */
  open: number;
  /** Requests that came together with others, while they are under way. */
  readonly batched: Set<string | number>;
  used_at: number;
  expiry: NodeJS.Timeout | undefined;
}

interface SessionsOptions {
  readonly limits: SessionLimits;
  /** @param onCall to be told of every call of the session */
  readonly open: (request: Request, caller: string, onCall: (call: Promise<unknown>) => void) => McpServer;
  readonly log: Log;
}

const SESSION_HEADER = 'mcp-session-id';

export function createSessions({ limits, open, log }: SessionsOptions): Sessions {
  const sessions = new Map<string, Session>();
  /** Whose handshakes are under way: their places are taken. */
  const opening = new Map<Session, string>();

  const isOpen = ({ transport }: Session): boolean =>
    transport.sessionId !== undefined && sessions.has(transport.sessionId);

  const end = async (session: Session): Promise<void> => {
    clearTimeout(session.expiry);
    const { transport } = session;
    if (transport.sessionId !== undefined) sessions.delete(transport.sessionId);
    await transport.close();
  };

  /** @returns to be called at the end of the use; safe to call twice */
  const use = (session: Session): (() => void) => {
    clearTimeout(session.expiry);
    session.open += 1;
    return once(() => {
      session.open -= 1;
      session.used_at = performance.now();
      if (session.open > 0 || !isOpen(session)) return;
      clearTimeout(session.expiry);
      session.expiry = setTimeout(() => {
        void end(session);
      }, limits.idle_ms);
      session.expiry.unref();
    });
  };

  const serve = async (session: Session, request: Request, body: unknown): Promise<Response> => {
    const leave = use(session);
    const batch = batchOf(body);
    for (const id of batch) session.batched.add(id);
    const onEnd = (): void => {
      leave();
      for (const id of batch) session.batched.delete(id);
    };
    try {
      const response = await session.transport.handleRequest(request, { parsedBody: body });
      await endCancelled(session, body);
      return untilRead(response, onEnd);
    } catch (error) {
      onEnd();
      throw error;
    }
  };

  const reserve = (caller: string): Session => {
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: session_id => {
        opening.delete(session);
        sessions.set(session_id, session);
        log.debug('mcp_session_opened', { caller, sessions: sessions.size });
      },
    });
    const session: Session = {
      caller,
      transport,
      open: 0,
      batched: new Set(),
      used_at: performance.now(),
      expiry: undefined,
    };
    opening.set(session, caller);
    return session;
  };

  const connect = async (session: Session, request: Request): Promise<void> => {
    const { caller, transport } = session;
    const onCall = (call: Promise<unknown>): void => {
      const onEnd = use(session);
      call.then(onEnd, onEnd);
    };
    await open(request, caller, onCall).connect(transport);
    // Whoever ended it: the client, the time, or this coordinator.
    const { onclose } = transport;
    transport.onclose = () => {
      clearTimeout(session.expiry);
      if (transport.sessionId !== undefined) sessions.delete(transport.sessionId);
      onclose?.();
    };
  };

  /** What has to end so that this caller may open one more: nothing, or the idlest; of their own, if they have one. */
  const inTheWay = (caller: string): Session | 'nothing' | 'all in use' => {
    const all = [...sessions.values()];
    const isOwn = (session: Session): boolean => session.caller === caller;
    const begun = [...opening.values()].filter(one => one === caller).length;
    const many = all.filter(isOwn).length + begun >= limits.sessions_of_caller;
    if (!many && all.length + opening.size < limits.sessions) return 'nothing';
    const idle = all.filter(({ open }) => open === 0).sort((a, b) => a.used_at - b.used_at);
    return idle.find(isOwn) ?? (many ? undefined : idle[0]) ?? 'all in use';
  };

  return {
    async handle(request, caller, body) {
      const session_id = request.headers.get(SESSION_HEADER);
      if (session_id !== null) {
        const session = sessions.get(session_id);
        return session?.caller === caller ? await serve(session, request, body) : unknownSession();
      }
      if (request.method !== 'POST') return notAllowed();
      if (!isInitializeRequest(body)) return withoutSession();
      const leaves = inTheWay(caller);
      if (leaves === 'all in use') return tooMany();
      // From here to the place being taken nothing is awaited: others ask for one at the same time.
      const ending = leaves === 'nothing' ? undefined : end(leaves);
      const session = reserve(caller);
      try {
        await ending;
        await connect(session, request);
        return await serve(session, request, body);
      } finally {
        opening.delete(session);
        // A handshake that was refused has opened nothing.
        if (session.transport.sessionId === undefined) await end(session);
      }
    },
    count: () => sessions.size,
    async close() {
      const ended = await Promise.allSettled([...sessions.values(), ...opening.keys()].map(end));
      for (const one of ended)
        if (one.status === 'rejected') log.warn('mcp_session_not_closed', errorFields(one.reason));
    },
  };
}

function once(work: () => void): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    work();
  };
}

const unknownSession = (): Response =>
  rpcError({ http: 404, code: SESSION_UNKNOWN, message: 'Session not found; initialize a new one.' });

const withoutSession = (): Response =>
  rpcError({
    http: 400,
    code: SERVER_ERROR,
    message: 'The Mcp-Session-Id header is missing; initialize a session first.',
  });

const notAllowed = (): Response =>
  rpcError({
    http: 405,
    code: SERVER_ERROR,
    message: 'MCP is served here by POST; a stream of notifications needs a session.',
    reason: 'method_not_allowed',
  });

const tooMany = (): Response =>
  rpcError({
    http: 429,
    code: SERVER_ERROR,
    message: 'Too many MCP sessions are open; close one first.',
    reason: 'too_many_streams',
  });
