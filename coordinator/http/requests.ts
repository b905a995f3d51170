/** The requests that are being answered: how many, who waits, and their end when the door closes. */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { CcliError } from '../../protocol/errors.ts';

export interface OpenRequest {
  /** Aborts when the client hangs up, and when the door gives up waiting for its answer. */
  readonly signal: AbortSignal;
  /** Rejects when the request is given up: with `shutting_down` when the door closes. Never resolves. */
  readonly givenUp: Promise<never>;
  /** Ends this one alone, with the error as its answer as long as there is none. */
  readonly giveUp: (error: CcliError) => void;
}

export interface Requests {
  /** Until its answer is out, or the connection is gone. */
  begin(outgoing: ServerResponse): OpenRequest;
  /** Answers that are on their way on this connection, in the order of their requests. */
  onSocket(socket: Socket): readonly ServerResponse[];
  readonly count: number;
  /** Whether the door closes: nothing new is begun. */
  readonly closing: boolean;
  /** Nothing new from here on. Resolves when the last is answered, or `grace_ms` are over. */
  close(grace_ms: number): Promise<void>;
  /** Answers what still waits; resolves when those answers are out, or `grace_ms` are over. */
  giveUp(grace_ms: number): Promise<void>;
}

interface Entry {
  readonly controller: AbortController;
  readonly reject: (error: CcliError) => void;
  readonly end: () => void;
}

export const closingError = (): CcliError =>
  new CcliError('shutting_down', undefined, { retry_after_ms: 1_000 });

export function createRequests(): Requests {
  const open = new Map<ServerResponse, Entry>();
  const bySocket = new WeakMap<Socket, Set<ServerResponse>>();
  let closing = false;
  let onIdle: (() => void) | undefined;

  const idle = async (grace_ms: number): Promise<void> => {
    if (open.size === 0) return;
    await new Promise<void>(resolve => {
      const timer = setTimeout(resolve, grace_ms);
      onIdle = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    onIdle = undefined;
  };

  /** Several, when a client does not wait for one answer before it asks again. */
  const onSocket = (socket: Socket): Set<ServerResponse> => {
    const known = bySocket.get(socket);
    if (known !== undefined) return known;
    const here = new Set<ServerResponse>();
    bySocket.set(socket, here);
    // Answers that wait for their turn do not hear of it themselves.
    socket.once('close', () => {
      for (const outgoing of here) open.get(outgoing)?.end();
    });
    return here;
  };

  return {
    begin(outgoing) {
      const { socket } = outgoing.req;
      const controller = new AbortController();
      let reject: Entry['reject'] = () => undefined;
      const givenUp = new Promise<never>((_resolve, refuse) => {
        reject = refuse;
      });
      // Nobody waits for it any more once the request is answered.
      givenUp.catch(() => undefined);
      const end = (): void => {
        open.delete(outgoing);
        bySocket.get(socket)?.delete(outgoing);
        if (!outgoing.writableFinished) controller.abort(new CcliError('cancelled', 'The client hung up.'));
        if (open.size === 0) onIdle?.();
      };
      open.set(outgoing, { controller, reject, end });
      onSocket(socket).add(outgoing);
      outgoing.once('close', end);
      if (socket.destroyed) end();
      const giveUp = (error: CcliError): void => {
        reject(error);
        controller.abort(error);
      };
      return { signal: controller.signal, givenUp, giveUp };
    },
    onSocket: socket => [...(bySocket.get(socket) ?? [])],
    get count() {
      return open.size;
    },
    get closing() {
      return closing;
    },
    close(grace_ms) {
      closing = true;
      return idle(grace_ms);
    },
    giveUp(grace_ms) {
      for (const { controller, reject } of open.values()) {
        const error = closingError();
        reject(error);
        controller.abort(error);
      }
      return idle(grace_ms);
    },
  };
}
