/** How many event streams one client may have open at a time. */
import { CcliError } from '../../protocol/errors.ts';

export interface StreamGate {
  /**
   * @param client who opens it: see `DoorEnv`
   * @returns to be called when the stream is over; safe to call twice
   * @throws CcliError `too_many_streams`
   */
  enter(client: string): () => void;
  /** All that are open now. */
  readonly open: number;
}

export function createStreamGate(limit: number): StreamGate {
  const counts = new Map<string, number>();
  let open = 0;
  const leave = (client: string): void => {
    open -= 1;
    const left = (counts.get(client) ?? 0) - 1;
    if (left > 0) counts.set(client, left);
    else counts.delete(client);
  };
  return {
    enter(client) {
      const count = counts.get(client) ?? 0;
      if (count >= limit)
        throw new CcliError('too_many_streams', `${count} streams are open already; close one first.`, {
          retry_after_ms: 1_000,
        });
      counts.set(client, count + 1);
      open += 1;
      let left = false;
      return () => {
        if (left) return;
        left = true;
        leave(client);
      };
    },
    get open() {
      return open;
    },
  };
}
