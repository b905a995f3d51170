/** Whether what the nodes report is folded into the tasks. */
import { setTimeout as delay } from 'node:timers/promises';
import { JetStreamApiCodes, JetStreamApiError, type JetStreamManager } from '@nats-io/jetstream';
import type { Check } from '../../../protocol/daemon/checks.ts';
import type { Names } from '../../../protocol/subjects.ts';
import { judgeReports, type ReportsFacts } from '../judge/reports.ts';
import type { FleetContext } from './context.ts';
import { unlessForbidden } from './jetstream.ts';

/** Whoever takes them asks anew from time to time: looked at between two requests, nobody seems to. */
const SECOND_LOOK_MS = 500;

export const reportsCheck: Check<FleetContext> = {
  id: 'reports',
  title: 'the reports of the nodes',
  limit_ms: 8_000,
  late: 'store_unavailable',
  needs: ['streams'],
  run: ({ manager, access }, signal) =>
    unlessForbidden(async () => {
      const jetstream = await manager();
      const first = await look(jetstream, access.names);
      if (first !== undefined && (first.pending === 0 || first.pulled)) return judgeReports(first);
      await delay(SECOND_LOOK_MS, undefined, { signal });
      return judgeReports(await look(jetstream, access.names));
    }),
};

async function look(manager: JetStreamManager, names: Names): Promise<ReportsFacts> {
  try {
    const info = await manager.consumers.info(names.reportsStream, names.reportsConsumer);
    return { pending: info.num_pending, unacknowledged: info.num_ack_pending, pulled: info.num_waiting > 0 };
  } catch (error) {
    const missing = error instanceof JetStreamApiError && error.code === JetStreamApiCodes.ConsumerNotFound;
    if (missing) return undefined;
    throw error;
  }
}
