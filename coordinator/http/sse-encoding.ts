/** Events in the bytes of `text/event-stream`. */
import { type CcliError, toErrorBody } from '../../protocol/errors.ts';
import type { FleetStreamEvent, TaskStreamEvent } from '../../protocol/stream.ts';

export interface SseEvent {
  /** Where a reader who comes back goes on: `Last-Event-ID`. Absent, the reader keeps the one it has. */
  readonly id?: string;
  readonly event: string;
  readonly data: unknown;
}

const encoder = new TextEncoder();

/** How long a browser waits before it comes back by itself. */
export const OPENING = encoder.encode('retry: 2000\n\n');

/** Keeps proxies from closing a stream on which nothing happens; with an id, also moves the reader on. */
export const keepalive = (id?: string): Uint8Array =>
  encoder.encode(id === undefined ? ':\n\n' : `:\nid: ${id}\n\n`);

/** JSON has no raw line break, so an event is one line of data whatever its text holds. */
export const encodeEvent = ({ id, event, data }: SseEvent): Uint8Array =>
  encoder.encode(
    `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`,
  );

export const closedBytes = (error: CcliError): Uint8Array =>
  encodeEvent({ event: 'closed', data: { event: 'closed', error: toErrorBody(error) } });

/** However many read it, an event is encoded once. */
const shared = <E extends object>(shape: (event: E) => SseEvent): ((event: E) => Uint8Array) => {
  const known = new WeakMap<E, Uint8Array>();
  return event => {
    const before = known.get(event);
    if (before !== undefined) return before;
    const bytes = encodeEvent(shape(event));
    known.set(event, bytes);
    return bytes;
  };
};

/** Id of the last event of a task: who comes back with it, as browsers do by themselves, is told to stay away. */
export const END_ID = 'end';

export const taskEventBytes = shared<TaskStreamEvent>(event => ({
  event: event.event,
  data: event,
  ...(event.event !== 'closed' && { id: event.event === 'result' ? END_ID : event.position }),
}));

/** Named after what it is about, so that a page listens for `task` or `node` alone. */
export const fleetEventBytes = shared<FleetStreamEvent>(event => {
  switch (event.event) {
    case 'fleet':
      return { id: String(event.seq), event: event.fleet.kind, data: event.fleet };
    case 'gap':
      return { id: String(event.seq), event: 'gap', data: event };
    case 'closed':
      return { event: 'closed', data: event };
  }
});
