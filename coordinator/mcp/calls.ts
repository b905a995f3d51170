/** The calls under way: stopping waits for them, as one whose client has gone may still have its task to cancel. */
import { withinLimit } from '../../protocol/daemon/within-limit.ts';

export interface Calls {
  readonly add: (call: Promise<unknown>) => void;
  /** Settles when all have ended, or the time is over. Never rejects. */
  readonly settle: (limit_ms: number) => Promise<void>;
}

export function createCalls(): Calls {
  const open = new Set<Promise<unknown>>();
  return {
    add(call) {
      open.add(call);
      const remove = (): void => {
        open.delete(call);
      };
      call.then(remove, remove);
    },
    async settle(limit_ms) {
      await withinLimit(Promise.allSettled(open), limit_ms);
    },
  };
}
