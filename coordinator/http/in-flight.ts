/** How many requests of one client may wait for their answer at a time. */
import { CcliError } from '../../protocol/errors.ts';

export interface InFlight {
  /**
   * @param client whose request it is: see `DoorEnv`
   * @returns to be called once, when its answer begins
   * @throws CcliError `too_many_requests`
   */
  enter(client: string): () => void;
}

const RETRY_MS = 1_000;

export function createInFlight(limit: number): InFlight {
  const counts = new Map<string, number>();
  return {
    enter(client) {
      const count = counts.get(client) ?? 0;
      if (count >= limit)
        throw new CcliError(
          'too_many_requests',
          `${count} requests wait for their answers already; send the next when one of them has come.`,
          { retry_after_ms: RETRY_MS },
        );
      counts.set(client, count + 1);
      return () => {
        const left = (counts.get(client) ?? 0) - 1;
        if (left > 0) counts.set(client, left);
        else counts.delete(client);
      };
    },
  };
}
