/** What "accepted means durable" rests on: see `ccli status`. */
import type { Check } from '../../../protocol/daemon/checks.ts';
import { ok, type Verdict, warn } from '../../../protocol/finding.ts';
import type { FleetStatus } from '../../../protocol/operation.ts';
import type { FleetContext } from './context.ts';

export const durabilityCheck: Check<FleetContext> = {
  id: 'durability',
  title: 'what accepted tasks survive',
  limit_ms: 8_000,
  needs: ['coordinator'],
  run: async ({ status }) => [judgeDurability((await status()).nats)],
};

export function judgeDurability(nats: FleetStatus['nats']): Verdict {
  switch (nats.durability) {
    case 'power_cut':
      return ok('Accepted tasks survive a power cut.');
    case 'process_crash':
      return warn(
        nats.warning ?? 'Accepted tasks survive a crash, but maybe not a power cut.',
        'Run nats-server 2.14 or newer with `sync_interval: always` in its `jetstream` section.',
      );
    case 'unknown':
      return warn(
        'Whether accepted tasks survive a power cut is not known: no client can read how the server syncs.',
        'Set `sync_interval: always` in the `jetstream` section of nats-server.conf, then `nats.sync_always: true` for the coordinator.',
      );
  }
}
