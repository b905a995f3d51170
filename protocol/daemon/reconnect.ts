/** How long a client pauses before it dials a server again. */
import type { ConnectionOptions } from '@nats-io/nats-core';

const PAUSE_MS = 1_000;
/** So that not all clients of a server that is back come at the same moment. */
const JITTER_MS = 1_000;

interface ReconnectSources {
  /** The wall clock, which is what the client library goes by. */
  readonly now?: () => number;
  readonly random?: () => number;
}

/**
 * The library dials a server once `last dial + pause <= now`, by the wall clock: where that is set back by an hour, it
 * would dial nobody for an hour. A dial that lies in the future tells that this has happened; then there is no pause,
 * until each server has been dialled once under the new time. A clock set forward only cuts one pause short.
 */
export function reconnectOptions({
  now = Date.now,
  random = Math.random,
}: ReconnectSources = {}): Required<Pick<ConnectionOptions, 'reconnectDelayHandler' | 'reconnectToServer'>> {
  let last_dial = Number.NEGATIVE_INFINITY;
  return {
    reconnectDelayHandler: () =>
      now() < last_dial ? Number.NEGATIVE_INFINITY : PAUSE_MS + Math.floor(random() * JITTER_MS),
    // Called right before each dial, with the server to be dialled first; null leaves it at that one.
    reconnectToServer: ([, ...others]) => {
      last_dial = Math.max(now(), ...others.map(server => server.lastConnect));
      return null;
    },
  };
}
