/**
 * One line: whoever is at the other end of a socket asks, and is told what a node tells. What it reads slowly costs it
 * chunks, and adverts that are out of date; replies and reports wait for it.
 */
import type { Socket } from 'node:net';
import { errorFields, type Log } from '../../protocol/daemon/log.ts';
import { CcliError } from '../../protocol/errors.ts';
import { MAX_LINE_BYTES } from '../../protocol/line.ts';
import type { Verbs } from '../verbs.ts';
import { errorLine, frame, readFrame } from './frame.ts';
import { readLines } from './read-lines.ts';

export interface Line {
  /** Dropped when the reader is slow; `again` then asks for a fresh one. */
  advert(bytes: Buffer): void;
  /** Dropped when the reader is slow. */
  chunk(bytes: Buffer): void;
  /**
   * Not written again while it is still on its way; nor at all while so much waits that nobody can be reading: it comes
   * again until somebody has acknowledged it.
   */
  report(id: string, bytes: Buffer): void;
  /** Resolves when nobody is at the other end any more, and nothing that was asked is under way. */
  serve(): Promise<void>;
  /** Writes what is left, and why it ends if that has to be said, then closes. */
  end(why?: CcliError): Promise<void>;
}

interface LineOptions {
  readonly socket: Socket;
  readonly verbs: Verbs;
  readonly first: readonly Buffer[];
  /** A fresh advert, in place of those that were dropped. */
  readonly advertAgain: () => Buffer | undefined;
  readonly onAck: (id: string) => void;
  readonly onWindUp: () => void;
  /** The other end asks no more: from here on it is told nothing but what it has asked for. */
  readonly onEnd: () => void;
  readonly log: Log;
}

/** What may wait for a reader before it counts as slow. */
const MAX_BEHIND_BYTES = 1024 * 1024;
/** What may wait in all, reports included. A dead line beside one that lives would be given every result there is. */
const MAX_UNREAD_BYTES = 16 * 1024 * 1024;
/** What may be asked at once; more is read when some of it is answered. */
const MAX_REQUESTS = 256;
/** How long an end waits until the other side has read it. */
const END_LIMIT_MS = 1_000;

export function createLine({ socket, verbs, log, ...options }: LineOptions): Line {
  const asked = new Set<Promise<void>>();
  const on_their_way = new Set<string>();
  let dropped_chunks = 0;
  let dropped_advert = false;

  const isOpen = (): boolean => socket.writable;
  const isBehind = (): boolean => socket.writableLength > MAX_BEHIND_BYTES;
  const write = (bytes: Buffer, onWritten?: () => void): void => {
    if (isOpen()) socket.write(bytes, onWritten);
    else onWritten?.();
  };
  const closed = new Promise<void>(resolve => {
    socket.once('close', () => {
      resolve();
    });
  });
  socket.on('error', error => {
    log.debug('line_broke', errorFields(error));
  });
  socket.on('drain', () => {
    if (!dropped_advert) return;
    dropped_advert = false;
    const advert = options.advertAgain();
    if (advert !== undefined) write(advert);
  });

  const answer = async (id: number, verb: keyof Verbs, body: unknown): Promise<void> => {
    try {
      const reply = await verbs[verb](Buffer.from(JSON.stringify(body ?? {})));
      write(frame('reply', { id }, 'reply', reply));
    } catch (error) {
      if (!(error instanceof CcliError)) log.error('request_failed', { verb, ...errorFields(error) });
      write(errorLine(error, id));
    }
  };

  const ask = (work: Promise<void>): void => {
    const watched = work.finally(() => asked.delete(watched));
    asked.add(watched);
  };

  /** Until there is room for one more request, and for its reply. */
  const room = async (): Promise<void> => {
    while (asked.size >= MAX_REQUESTS) await Promise.race(asked);
    while (isOpen() && isBehind())
      await Promise.race([
        closed,
        new Promise<void>(resolve => {
          socket.once('drain', resolve);
        }),
      ]);
  };

  /** @throws CcliError what the line ends with */
  const take = (bytes: Buffer): void => {
    const message = readFrame(bytes);
    switch (message.kind) {
      case 'request':
        ask(answer(message.id, message.verb, message.body));
        break;
      case 'ack':
        options.onAck(message.id);
        break;
      case 'wind_up':
        options.onWindUp();
        break;
      case 'unreadable':
        if (message.id === undefined) throw message.error;
        write(errorLine(message.error, message.id));
        break;
    }
  };

  const end = async (why?: CcliError): Promise<void> => {
    if (socket.destroyed) return;
    if (why !== undefined) write(errorLine(why));
    const late = setTimeout(() => {
      socket.destroy();
    }, END_LIMIT_MS);
    // What still comes is read, and not looked at: a socket closed over it would take our last words with it.
    socket.resume();
    socket.end();
    await closed;
    clearTimeout(late);
  };

  return {
    advert(bytes) {
      if (isBehind()) dropped_advert = true;
      else write(bytes);
    },
    chunk(bytes) {
      if (!isBehind()) {
        write(bytes);
        return;
      }
      if (dropped_chunks === 0) log.warn('line_slow');
      dropped_chunks += 1;
    },
    report(id, bytes) {
      if (on_their_way.has(id) || socket.writableLength > MAX_UNREAD_BYTES) return;
      on_their_way.add(id);
      write(bytes, () => on_their_way.delete(id));
    },
    async serve() {
      for (const bytes of options.first) write(bytes);
      try {
        // The iterator must leave the socket alone: our half of it has more to say.
        for await (const bytes of readLines(socket.iterator({ destroyOnReturn: false }), MAX_LINE_BYTES)) {
          take(bytes);
          await room();
        }
      } catch (error) {
        if (error instanceof CcliError) write(errorLine(error));
        else log.debug('line_broke', errorFields(error));
      } finally {
        options.onEnd();
      }
      while (asked.size > 0) await Promise.race(asked);
      await end();
      if (dropped_chunks > 0) log.info('line_was_slow', { dropped_chunks });
    },
    end,
  };
}
