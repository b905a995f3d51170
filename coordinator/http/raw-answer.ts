/** Answers on a bare connection, to what never became a request. */
import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { CcliError } from '../../protocol/errors.ts';
import { lingeringClose } from './lingering-close.ts';
import { PROBLEM_TYPE, problemOf } from './problem.ts';

/** What Node's parser found, by its code. */
const CODES: Readonly<Record<string, () => CcliError>> = {
  HPE_HEADER_OVERFLOW: () => new CcliError('head_too_large'),
  HPE_CHUNK_EXTENSIONS_OVERFLOW: () =>
    new CcliError('message_too_large', 'The chunk extensions are too long.'),
  ERR_HTTP_REQUEST_TIMEOUT: () => new CcliError('request_incomplete'),
};

export const parseFailure = (code: string | undefined): CcliError =>
  (code === undefined ? undefined : CODES[code])?.() ??
  new CcliError('invalid_request', 'This is not an HTTP request; send one.');

/** Writes the answer and closes the connection. */
export function answerRaw(socket: Socket, error: CcliError): void {
  const problem = problemOf(error, randomUUID());
  const body = JSON.stringify(problem);
  const head = [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? ''}`,
    `Content-Type: ${PROBLEM_TYPE}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
    'Cache-Control: no-store',
    'X-Content-Type-Options: nosniff',
  ];
  socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
  lingeringClose(socket);
}
