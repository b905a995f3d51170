/** Sends adverts: at each interval, and soon after anything in them has changed. */

import { type Advert, AdvertSchema } from '../protocol/advert.ts';
import { encode } from '../protocol/codec.ts';
import type { Lifecycle } from '../protocol/daemon/lifecycle.ts';
import { errorFields, type Log } from '../protocol/daemon/log.ts';
import { CcliError } from '../protocol/errors.ts';

export interface Beacon {
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
  const send = (): void => {
    clearImmediate(planned);
    planned = undefined;
    try {
      publish(encodeAdvert(build()));
    } catch (error) {
      log.error('advert_not_sent', errorFields(error));
    }
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

function encodeAdvert(advert: Advert): Uint8Array {
  try {
    return encode(AdvertSchema, advert);
  } catch (error) {
    // What runs is told by reports as well; that the node lives is told here alone. Results are still to come from
    // what is left out, so it does not count as forgotten.
    if (!(error instanceof CcliError) || error.code !== 'message_too_large') throw error;
    return encode(AdvertSchema, {
      ...advert,
      outbox: advert.outbox + advert.running.length,
      running: [],
    });
  }
}
