/**
 * What happens in the fleet, for all who watch it: the newest events in memory, numbered as their stream numbers them,
 * so that a reader who comes back finds its place again at any coordinator.
 */
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import { decode } from '../../protocol/codec.ts';
import { requestError } from '../../protocol/daemon/connect.ts';
import { errorFields } from '../../protocol/daemon/log.ts';
import { CcliError, type ErrorBody, toErrorBody } from '../../protocol/errors.ts';
import { EventSchema } from '../../protocol/event.ts';
import type { FleetStreamEvent } from '../../protocol/stream.ts';
import { createBell } from './bell.ts';
import { consumeStream } from './consume-stream.ts';
import { createEventLog } from './event-log.ts';
import type { Hub, HubOptions } from './hub.ts';

/** Places are the numbers of the events in their stream. */
export type FleetHub = Hub<number, FleetStreamEvent>;

/** Events read from the stream at the start, for readers who come back. */
const BACKLOG = 1_000;
/** How long it stays when nobody reads: somebody who reloads a page is soon back. */
const LINGER_MS = 30_000;
/** How long the stream may be out of reach before readers are sent away. */
const PATIENCE_MS = 60_000;
const LOOK_AGAIN_MS = 500;

type Told = Extract<FleetStreamEvent, { event: 'fleet' | 'gap' }>;

export function openFleetHub({ connection, names, limits, onClosed, log }: HubOptions): FleetHub {
  const stream = names.eventsStream;
  const told = createEventLog<Told>(limits);
  const closing = new AbortController();
  const { signal } = closing;
  const located = createBell();
  let readers = 0;
  /** Number of the newest event; undefined until the stream has been looked at. */
  let newest: number | undefined;
  /** Number of the event that is expected next. */
  let next_seq = 1;
  /** When the stream was made, and how often it was found to be another one. */
  let created: string | undefined;
  let epoch = 0;
  let closed: { readonly error: ErrorBody } | undefined;
  let lingering: NodeJS.Timeout | undefined;

  const take = (seq: number, data: Uint8Array): void => {
    if (seq < next_seq) return;
    if (seq > next_seq) skipTo(seq);
    next_seq = seq + 1;
    if (seq > (newest ?? 0)) newest = seq;
    const fleet = readEvent(data);
    if (fleet !== undefined) told.append({ event: 'fleet', seq, fleet }, ENTRY_BYTES + 2 * data.byteLength);
  };

  const skipTo = (seq: number): void => {
    told.append({ event: 'gap', seq: seq - 1, missing: seq - next_seq }, ENTRY_BYTES);
    next_seq = seq;
  };

  /** @returns where to go on in the stream, which may be another one by now */
  const locate = async (manager: JetStreamManager): Promise<number> => {
    const info = await manager.streams.info(stream);
    const { first_seq, last_seq } = info.state;
    if (newest === undefined) next_seq = Math.max(first_seq, last_seq - BACKLOG + 1, 1);
    else if (info.created !== created || last_seq < newest) {
      // What its readers missed of it cannot be told: it begins with what comes.
      epoch += 1;
      next_seq = last_seq + 1;
    } else return next_seq;
    ({ created } = info);
    newest = last_seq;
    located.ring();
    return next_seq;
  };

  const follow = async (): Promise<void> => {
    const ended = new Promise<void>(resolve => {
      signal.addEventListener(
        'abort',
        () => {
          resolve();
        },
        { once: true },
      );
    });
    let silent_since: number | undefined;
    const over = (): boolean => signal.aborted;
    while (!over()) {
      try {
        const manager = await jetstreamManager(connection, { checkAPI: false });
        const from_seq = await locate(manager);
        const consumption = await consumeStream({
          connection,
          stream,
          from_seq,
          onMessage: ({ seq, data }) => {
            if (!signal.aborted) take(seq, data);
          },
        });
        silent_since = undefined;
        await Promise.race([consumption.over, ended]);
        await consumption.stop();
      } catch (error) {
        if (over()) return;
        log.debug('events_not_followed', errorFields(error));
        silent_since ??= performance.now();
        if (connection.isClosed() || performance.now() - silent_since > PATIENCE_MS) {
          const problem = requestError(error, () => new CcliError('store_unavailable'));
          end(
            toErrorBody(
              problem instanceof CcliError
                ? problem
                : new CcliError('store_unavailable', undefined, { cause: error }),
            ),
          );
          return;
        }
        await located.next({ signal, limit_ms: LOOK_AGAIN_MS });
      }
    }
  };

  const end = (error: ErrorBody): void => {
    closed ??= { error };
    clearTimeout(lingering);
    onClosed();
    closing.abort();
    located.ring();
    told.bell.ring();
  };
  const following = follow();

  const leave = (): void => {
    readers -= 1;
    if (readers > 0 || closed !== undefined) return;
    lingering = setTimeout(() => {
      end(toErrorBody(new CcliError('shutting_down')));
    }, LINGER_MS);
    lingering.unref();
  };

  /** Where a reader begins that has seen everything up to this number. */
  const enter = (last: number): { readonly cursor: number; readonly gap: Told | undefined } => {
    // No event has two numbers, so those to come for this reader are no more than their numbers.
    let cursor = Math.max(told.start, Math.min(told.end, told.end - (next_seq - 1 - last)));
    while (told.isOld(cursor)) cursor += 1;
    const first = told.at(cursor);
    const from = first === undefined ? next_seq : firstOf(first);
    const missing = from - 1 - last;
    return { cursor, gap: missing > 0 ? { event: 'gap', seq: from - 1, missing } : undefined };
  };

  return {
    get readers() {
      return readers;
    },
    async *read(after, left) {
      readers += 1;
      clearTimeout(lingering);
      try {
        while (newest === undefined && closed === undefined && !left.aborted)
          await located.next({ signal: left });
        const now = newest ?? 0;
        const last = after === undefined || after > now ? now : after;
        const entered = enter(last);
        const entered_epoch = epoch;
        let { cursor } = entered;
        if (entered.gap !== undefined) yield entered.gap;
        for (;;) {
          if (left.aborted) return;
          if (closed !== undefined) {
            yield { event: 'closed', error: closed.error };
            return;
          }
          if (cursor < told.start) {
            yield { event: 'closed', error: toErrorBody(new CcliError('slow_reader')) };
            return;
          }
          const event = told.at(cursor);
          if (event === undefined) {
            await told.bell.next({ signal: left });
            continue;
          }
          cursor += 1;
          // While the stream is read back, what comes first may be older than what this reader is here for.
          if (event.seq > last || epoch !== entered_epoch) yield event;
        }
      } finally {
        leave();
      }
    },
    async close(error) {
      end(error);
      await following;
    },
  };
}

const ENTRY_BYTES = 200;

/** Number of the first event that it tells of. */
const firstOf = (told: Told): number => (told.event === 'gap' ? told.seq - told.missing + 1 : told.seq);

function readEvent(data: Uint8Array) {
  try {
    return decode(EventSchema, data);
  } catch {
    // A newer coordinator may tell of more than this one knows.
    return undefined;
  }
}
