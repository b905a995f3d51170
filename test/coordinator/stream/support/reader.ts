/** Reads a stream as fast as it comes, and remembers what came. */
import { onTestFinished } from 'vitest';
import { waitFor } from '../../../support/wait.ts';

export interface Reader<E> {
  readonly events: readonly E[];
  /** Resolves with all events once the stream has ended. */
  readonly ended: Promise<readonly E[]>;
  /** Waits for an event. */
  readonly until: (wanted: (event: E) => boolean, what?: string) => Promise<E>;
  /** As a reader who has gone: its signal aborts. */
  readonly leave: () => void;
}

export function read<E>(open: (signal: AbortSignal) => AsyncIterable<E>): Reader<E> {
  const leaving = new AbortController();
  onTestFinished(() => {
    leaving.abort();
  });
  const events: E[] = [];
  const readAll = async (): Promise<readonly E[]> => {
    for await (const event of open(leaving.signal)) events.push(event);
    return events;
  };
  const ended = readAll();
  // Whoever waits for the end is told of the failure, too.
  ended.catch(() => undefined);
  return {
    events,
    ended,
    until: (wanted, what = 'the event') => waitFor(() => events.find(wanted), { what }),
    leave: () => {
      leaving.abort();
    },
  };
}
