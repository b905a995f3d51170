/** Who gives orders here: the newest coordinator of the fleet that this node belongs to, to this life of the daemon. */
import { errorFields, type Log } from '../protocol/daemon/log.ts';
import type { CcliError } from '../protocol/errors.ts';
import { misaddressed } from './core/admission.ts';
import type { Claim, FenceState } from './core/fence.ts';
import { createEpochFence, type FenceRecord } from './epoch.ts';
import type { Journal } from './journal.ts';
import type { Past } from './past.ts';

type Order = Claim & { readonly instance_id: string };

export interface Authority {
  readonly state: FenceState;
  restore(record: FenceRecord): Promise<void>;
  /** Why an order is not for this daemon, or its sender not the one to obey: `wrong_instance`, `stale_epoch`. */
  fault(order: Order): CcliError | undefined;
  /** Resolves once the sender's claim is on disk: nothing is done on its order before. */
  see(order: Order): Promise<void>;
  /** Both. @throws CcliError `wrong_instance`, `stale_epoch`; whatever writing the claim fails with */
  obey(order: Order): Promise<void>;
}

interface AuthorityOptions {
  readonly instance_id: string;
  readonly journal: Pick<Journal, 'saveFence' | 'forgetAll'>;
  readonly past: Pick<Past, 'clear'>;
  readonly log: Log;
}

export function createAuthority({ instance_id, journal, past, log }: AuthorityOptions): Authority {
  const fence = createEpochFence({
    write: record => journal.saveFence(record),
    async forget() {
      past.clear();
      try {
        await journal.forgetAll();
        log.warn('fleet_replaced');
        return true;
      } catch (error) {
        log.error('past_not_forgotten', errorFields(error));
        return false;
      }
    },
  });
  const fault = (order: Order): CcliError | undefined =>
    misaddressed(order, { instance_id, fence: fence.state });

  return {
    get state() {
      return fence.state;
    },
    restore: record => fence.restore(record),
    fault,
    see: order => fence.see(order),
    async obey(order) {
      const why = fault(order);
      if (why !== undefined) throw why;
      await fence.see(order);
    },
  };
}
