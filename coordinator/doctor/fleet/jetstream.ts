/** Whether JetStream is there, and what room it has. */
import { PermissionViolationError, RequestError } from '@nats-io/nats-core';
import type { Check } from '../../../protocol/daemon/checks.ts';
import { skipped, type Verdict } from '../../../protocol/finding.ts';
import { storeProblem } from '../../provision.ts';
import { judgeJetStream } from '../judge/jetstream.ts';
import type { FleetContext } from './context.ts';

export const jetstreamCheck: Check<FleetContext> = {
  id: 'jetstream',
  title: 'JetStream',
  limit_ms: 6_000,
  late: 'store_unavailable',
  needs: ['nats'],
  run: ({ manager }) =>
    unlessForbidden(async () => {
      const account = await (await manager()).getAccountInfo().catch((error: unknown) => {
        if (isForbidden(error)) throw error;
        throw storeProblem(error);
      });
      const { limits } = account;
      return judgeJetStream({
        file: { used_bytes: account.storage, limit_bytes: limits.max_storage },
        memory: { used_bytes: account.memory, limit_bytes: limits.max_memory },
        streams: account.streams,
        consumers: account.consumers,
      });
    }),
};

/** A caller may well not be let at what is the coordinator's: that breaks nothing, and tells nothing. */
export async function unlessForbidden(look: () => Promise<readonly Verdict[]>): Promise<readonly Verdict[]> {
  try {
    return await look();
  } catch (error) {
    if (!isForbidden(error)) throw error;
    return [
      skipped('These credentials may not look at JetStream itself; what the coordinator tells counts.'),
    ];
  }
}

function isForbidden(error: unknown): boolean {
  if (error instanceof PermissionViolationError) return true;
  return error instanceof RequestError && error.cause instanceof PermissionViolationError;
}
