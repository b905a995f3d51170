/** Sends adverts: at each interval, and soon after anything in them has changed. */

import { type Advert, AdvertSchema } from '../protocol/advert.ts';
import { encode } from '../protocol/codec.ts';
import type { Lifecycle } from '../protocol/daemon/lifecycle.ts';
import { errorFields, type Log } from '../protocol/daemon/log.ts';
import { fitAdvert } from './core/fit-advert.ts';

export interface Beacon {
  /** Sends the first one, and from then on at each interval. Nothing is sent before: the node may not be whole yet. */
  start(): void;
  /** Something an advert tells has changed. Several changes close together make one advert. */
  changed(): void;
  /** Sends one at once. Never throws: a value that does not fit must not end the daemon. */
  send(): void;
}

interface BeaconOptions {
  readonly interval_ms: number;
  readonly build: () => Advert;
  readonly publish: (bytes: Uint8Array) => void;
  readonly lifecycle: Lifecycle;
  readonly log: Log;
}

export function createBeacon({ interval_ms, build, publish, lifecycle, log }: BeaconOptions): Beacon {
  let planned: NodeJS.Immediate | undefined;
  let started = false;
  const send = (): void => {
    if (!started) return;
    clearImmediate(planned);
    planned = undefined;
    try {
      publish(encode(AdvertSchema, fitAdvert(build())));
    } catch (error) {
      log.error('advert_not_sent', errorFields(error));
    }
  };
  lifecycle.signal.addEventListener('abort', () => {
    clearImmediate(planned);
  });
  return {
    start() {
      started = true;
      send();
      lifecycle.every(interval_ms, send);
    },
    send,
    changed() {
      if (!started || lifecycle.signal.aborted) return;
      planned ??= setImmediate(send);
    },
  };
}
