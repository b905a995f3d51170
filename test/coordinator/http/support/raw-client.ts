/** A client that says exactly what it is told to, byte by byte. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { onTestFinished } from 'vitest';
import { waitFor } from '../../../support/wait.ts';

export interface RawClient {
  /** Resolves when it is on its way; false when the other side no longer listens. */
  send(text: string | Uint8Array): Promise<boolean>;
  /** All that came. */
  readonly received: () => string;
  /** Waits until this has come. */
  until(text: string): Promise<string>;
  /** Waits until the connection is gone; resolves with all that came. */
  closed(): Promise<string>;
  /** Reads no more, so that the other side cannot get rid of what it says. */
  pause(): void;
  destroy(): void;
}

export async function rawClient(url: string): Promise<RawClient> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port) });
  onTestFinished(() => {
    socket.destroy();
  });
  let received = '';
  let gone = false;
  socket.setEncoding('latin1');
  socket.on('data', text => {
    received += String(text);
  });
  socket.on('close', () => {
    gone = true;
  });
  await once(socket, 'connect');
  // A reset is an end like any other here; tests look at what came before it.
  socket.on('error', () => undefined);
  return {
    send: bytes =>
      new Promise(resolve => {
        socket.write(bytes, error => {
          resolve(error === undefined || error === null);
        });
      }),
    received: () => received,
    until: text =>
      waitFor(() => received.includes(text) && received, { what: `the answer having "${text}"` }),
    closed: () => waitFor(() => gone && received, { what: 'the connection being closed' }),
    pause: () => socket.pause(),
    destroy: () => socket.destroy(),
  };
}

/** The body of an answer that came whole. */
export function bodyOf(answer: string): string {
  const end = answer.indexOf('\r\n\r\n');
  const body = answer.slice(end + 4);
  return /^transfer-encoding: *chunked/im.test(answer.slice(0, end)) ? unchunked(body) : body;
}

function unchunked(body: string): string {
  const line = body.indexOf('\r\n');
  const size = Number.parseInt(body.slice(0, line), 16);
  return size > 0 ? body.slice(line + 2, line + 2 + size) + unchunked(body.slice(line + 4 + size)) : '';
}
