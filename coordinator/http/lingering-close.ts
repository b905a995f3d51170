/**
 * Closes a connection whose client may still be sending: it is told that nothing more is read, and what it sends
 * meanwhile is thrown away for a while. Closed at once, the unread bytes would make the system reset the connection,
 * and the client might lose the answer that explains it.
 */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

const LINGER_MS = 1_000;
const LINGER_BYTES = 16 * 1024 * 1024;

/** @param incoming the request whose body is thrown away, when there is one */
export function lingeringClose(socket: Socket, incoming?: IncomingMessage): void {
  const before = socket.bytesRead;
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  timer.unref();
  socket.once('close', () => {
    clearTimeout(timer);
  });
  incoming?.on('data', () => {
    if (socket.bytesRead - before > LINGER_BYTES) socket.destroy();
  });
  incoming?.resume();
  if (incoming === undefined) socket.resume();
  socket.end();
}

/** The server closes the connection of this request in the gentle way, once it has answered. */
export function lingerAfterAnswer(incoming: IncomingMessage): void {
  const { socket } = incoming;
  // What the server calls after an answer with `Connection: close`.
  socket.destroySoon = () => {
    lingeringClose(socket, incoming);
  };
}
