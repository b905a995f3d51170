/**
 * Requests of clients that do not wait for one answer before they send the next on the same connection. So many are begun;
 * those behind them wait, and no more is read meanwhile, so that what waits is never more than what came in one piece.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

type Listener = (incoming: IncomingMessage, outgoing: ServerResponse) => void;

export interface Pipeline {
  readonly listener: Listener;
  /** Whether something waits here, and the connection is not read. */
  waits(socket: Socket): boolean;
}

interface Line {
  /** Begun, and not answered. */
  open: number;
  readonly waiting: Parameters<Listener>[];
}

export function createPipeline(most: number, begin: Listener): Pipeline {
  const lines = new WeakMap<Socket, Line>();

  const lineOf = (socket: Socket): Line => {
    const known = lines.get(socket);
    if (known !== undefined) return known;
    const line: Line = { open: 0, waiting: [] };
    lines.set(socket, line);
    socket.on('close', () => {
      line.waiting.length = 0;
    });
    // Whoever is done with a body makes the connection go on.
    socket.on('resume', () => {
      if (line.waiting.length > 0) socket.pause();
    });
    return line;
  };

  const start = (line: Line, [incoming, outgoing]: Parameters<Listener>): void => {
    line.open += 1;
    outgoing.once('close', () => {
      line.open -= 1;
      const { socket } = incoming;
      // An answer that was the last of its connection.
      if (socket.destroyed || socket.writableEnded) line.waiting.length = 0;
      const next = line.waiting.shift();
      if (next === undefined) return;
      start(line, next);
      if (line.waiting.length === 0) socket.resume();
    });
    begin(incoming, outgoing);
  };

  return {
    listener(...request) {
      const { socket } = request[0];
      const line = lineOf(socket);
      if (line.open < most && line.waiting.length === 0) {
        start(line, request);
        return;
      }
      line.waiting.push(request);
      socket.pause();
    },
    waits: socket => (lines.get(socket)?.waiting.length ?? 0) > 0,
  };
}
