/** Sends adverts: at each interval, and soon after anything in them has changed. */

import { type Advert, AdvertSchema } from '../protocol/advert.ts';
import { encode } from '../protocol/codec.ts';
import type { Lifecycle } from '../protocol/daemon/lifecycle.ts';

export interface Beacon {
  /** Something an advert tells has changed. Several changes close together make one advert. */
  changed(): void;
  /** Sends one at once. */
  send(): void;
}

interface BeaconOptions {
  readonly interval_ms: number;
  readonly build: () => Advert;
  readonly publish: (bytes: Uint8Array) => void;
  readonly lifecycle: Lifecycle;
}

export function createBeacon({ interval_ms, build, publish, lifecycle }: BeaconOptions): Beacon {
  let planned: NodeJS.Immediate | undefined;
  const send = (): void => {
    clearImmediate(planned);
    planned = undefined;
    publish(encode(AdvertSchema, build()));
  };
  lifecycle.every(interval_ms, send);
  lifecycle.signal.addEventListener('abort', () => {
    clearImmediate(planned);
  });
  return {
    send,
    changed() {
      if (lifecycle.signal.aborted) return;
      planned ??= setImmediate(send);
    },
  };
}
