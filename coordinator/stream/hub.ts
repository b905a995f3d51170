/** What is followed once for all who read it: made for the first of them. */
import type { NatsConnection } from '@nats-io/nats-core';
import type { Log } from '../../protocol/daemon/log.ts';
import type { ErrorBody } from '../../protocol/errors.ts';
import type { Names } from '../../protocol/subjects.ts';
import type { LogLimits } from './event-log.ts';

export interface Hub<Place, Event> {
  readonly readers: number;
  /** @param after the place of the last event seen */
  read(after: Place | undefined, signal: AbortSignal): AsyncGenerator<Event, void>;
  /** Ends every reader with `closed`, at once. Resolves when nothing is left of it. */
  close(error: ErrorBody): Promise<void>;
}

export interface HubOptions {
  readonly connection: NatsConnection;
  readonly names: Names;
  readonly limits: LogLimits;
  /** It takes no more readers. */
  readonly onClosed: () => void;
  readonly log: Log;
}
