/** Looks at one warm process every so often, at work or idle, until it is gone. */
import { setTimeout as delay } from 'node:timers/promises';
import { takePulse } from './health.ts';
import type { Seat } from './seats.ts';

interface WatchOptions {
  readonly interval_ms: number;
  readonly patience_ms: number;
  readonly onWell: () => void;
  /** Called with each answer that did not come, `seat.missed` counted. */
  readonly onSilent: () => void;
}

/** Settles when the process is gone or the signal aborts; never rejects. */
export async function watchSeat(seat: Seat, options: WatchOptions, signal: AbortSignal): Promise<void> {
  const { connection } = seat.member;
  const gone = new AbortController();
  void connection.gone.then(() => {
    gone.abort();
  });
  // Once for each process.
  const over = AbortSignal.any([gone.signal, signal]);
  while (connection.alive && !over.aborted) {
    const pulse = await takePulse(connection, options.patience_ms, over);
    if (pulse === 'gone') return;
    if (pulse !== 'silent' || !seat.member.polite) {
      seat.missed = 0;
      options.onWell();
    } else {
      seat.missed += 1;
      options.onSilent();
      // It is asked again at once.
      continue;
    }
    await delay(options.interval_ms, undefined, { signal: over }).catch(() => undefined);
  }
}
