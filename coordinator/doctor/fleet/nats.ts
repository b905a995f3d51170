/** NATS from here. */
import type { Check } from '../../../protocol/daemon/checks.ts';
import { judgeNats, readNats } from '../../../protocol/daemon/judge-nats.ts';
import type { FleetContext } from './context.ts';

export const natsCheck: Check<FleetContext> = {
  id: 'nats',
  title: 'the way to NATS',
  limit_ms: 5_000,
  late: 'nats_unreachable',
  run: async ({ access, address }) => judgeNats(await readNats(access.connection, address.nats)),
};
