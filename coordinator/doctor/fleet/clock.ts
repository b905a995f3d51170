/**
 * The server's clock against ours. NATS itself tells no time; what JetStream answers about a stream bears the time of
 * the answer, from nats-server 2.10 on.
 */
import type { Check } from '../../../protocol/daemon/checks.ts';
import { skipped } from '../../../protocol/finding.ts';
import { judgeClock } from '../judge/clock.ts';
import type { FleetContext } from './context.ts';
import { unlessForbidden } from './jetstream.ts';

export const clockCheck: Check<FleetContext> = {
  id: 'clock',
  title: 'the clock of the NATS server',
  limit_ms: 6_000,
  late: 'store_unavailable',
  needs: ['streams'],
  run: ({ manager, access, now, clock }) =>
    unlessForbidden(async () => {
      const jetstream = await manager();
      const began = clock();
      const { ts } = await jetstream.streams.info(`KV_${access.names.controlBucket}`);
      const round_ms = clock() - began;
      const theirs = ts === undefined ? Number.NaN : Date.parse(ts);
      if (Number.isNaN(theirs))
        return [skipped('This nats-server does not tell its time; 2.10 and newer do.')];
      // The answer was written somewhere on the way.
      const offset_ms = theirs - (now() - round_ms / 2);
      return judgeClock({ whose: 'the NATS server', offset_ms, uncertainty_ms: round_ms / 2 });
    }),
};
