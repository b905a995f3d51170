/** Node's HTTP server in front of the app, with limits on what it takes in. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { getRequestListener, RequestError } from '@hono/node-server';
import { errorFields, type Log } from '../../protocol/daemon/log.ts';
import { CcliError } from '../../protocol/errors.ts';
import type { DoorApp } from './door.ts';
import { lingerAfterAnswer } from './lingering-close.ts';
import { requestIdOf } from './middleware/identify.ts';
import { createPipeline } from './pipeline.ts';
import { errorResponse, PROBLEM_TYPE, problemOf } from './problem.ts';
import { answerRaw, parseFailure } from './raw-answer.ts';
import type { Requests } from './requests.ts';
import type { HttpSettings } from './settings.ts';

const MAX_HEAD_BYTES = 16 * 1024;
/** Node leaves out headers beyond this without a word; one that is there in silence could be the one that matters. */
const MAX_HEADERS = 100;
const KEEP_ALIVE_MS = 65_000;
/** More than any client that means well asks before it has heard an answer. */
const PIPELINED = 16;

interface ServerOptions {
  readonly app: DoorApp;
  readonly limits: HttpSettings['limits'];
  readonly requests: Requests;
  readonly onDrop: () => void;
  readonly log: Log;
}

export function createHttpServer({ app, limits, requests, onDrop, log }: ServerOptions): Server {
  const answer = getRequestListener(app.fetch, {
    errorHandler: error => {
      if (!(error instanceof RequestError)) log.error('http_error', errorFields(error));
      const refused =
        error instanceof RequestError
          ? new CcliError('invalid_request', 'The address or the Host header of the request is not valid.')
          : error;
      const response = errorResponse(refused, '/', requestIdOf(undefined));
      // Nothing has looked at its body, if there is one.
      response.headers.set('connection', 'close');
      return response;
    },
  });
  const pipeline = createPipeline(PIPELINED, (incoming, outgoing) => {
    if (incoming.rawHeaders.length / 2 >= MAX_HEADERS)
      refuse(incoming, outgoing, new CcliError('head_too_large'));
    else if (expectsOther(incoming))
      refuse(
        incoming,
        outgoing,
        new CcliError(
          'invalid_request',
          'Of expectations only 100-continue can be met; leave out the other.',
        ),
      );
    else void answer(incoming, outgoing);
  });
  const headersTimeout = Math.min(limits.head_timeout, limits.request_timeout);
  const server = createServer(
    {
      maxHeaderSize: MAX_HEAD_BYTES,
      headersTimeout,
      // Until the last byte of a request is there; how long its answer takes does not matter.
      requestTimeout: limits.request_timeout,
      connectionsCheckingInterval: Math.max(50, Math.min(5_000, headersTimeout / 4)),
      keepAliveTimeout: KEEP_ALIVE_MS,
      // Refused by the listener, in the form of every other refusal.
      requireHostHeader: false,
    },
    pipeline.listener,
  );
  server.maxHeadersCount = MAX_HEADERS;
  server.maxConnections = limits.connections;
  server.on('drop', onDrop);

  // Whoever reads the body sends the leave to go on, once it is known who asks.
  server.on('checkContinue', pipeline.listener);
  server.on('checkExpectation', pipeline.listener);

  server.on('connect', (_incoming, socket) => {
    // A reset has nobody to hear of it, now that this is no HTTP any more.
    socket.on('error', () => undefined);
    if (!(socket instanceof Socket) || requests.onSocket(socket).length > 0) socket.destroy();
    else
      answerRaw(
        socket,
        new CcliError('method_not_allowed', 'This is no proxy; see /docs for what it takes.'),
      );
  });

  const refused = new WeakSet<Socket>();
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    // It comes again with each further piece of what cannot be read.
    if (!(socket instanceof Socket) || refused.has(socket)) return;
    refused.add(socket);
    const begun = requests.onSocket(socket).some(({ headersSent }) => headersSent);
    if (error.code === 'ECONNRESET' || !socket.writable || begun) socket.destroy();
    else answerRaw(socket, parseFailure(error.code));
  });

  // Nothing has moved for a while: a client that does not read its answer, or one that has nothing to ask.
  server.setTimeout(limits.stalled, socket => {
    const idle = requests.onSocket(socket).length === 0;
    // While it is not read, a client that has gone is not noticed either.
    if (socket.writableLength > 0 || idle || pipeline.waits(socket)) socket.destroy();
  });
  return server;
}

const expectsOther = ({ headers }: IncomingMessage): boolean =>
  headers.expect !== undefined && headers.expect.toLowerCase() !== '100-continue';

function refuse(incoming: IncomingMessage, outgoing: ServerResponse, error: CcliError): void {
  const problem = problemOf(error, requestIdOf(undefined));
  const body = JSON.stringify(problem);
  const headers = {
    'content-type': PROBLEM_TYPE,
    'content-length': Buffer.byteLength(body),
    connection: 'close',
  };
  lingerAfterAnswer(incoming);
  outgoing.writeHead(problem.status, headers).end(body);
}
