/** So many requests at once, and so many more each second, for each client: a bucket of tokens each. */
import { CcliError } from '../../protocol/errors.ts';

export interface RateLimit {
  /** @throws CcliError `too_many_requests` */
  take(client: string): void;
  /** Clients that are remembered. */
  readonly clients: number;
}

interface RateLimitOptions {
  readonly burst: number;
  readonly per_second: number;
  /** Milliseconds that never go backwards. */
  readonly clock: () => number;
  /** More clients than these are not remembered: who was quiet longest is forgotten. */
  readonly max_clients?: number;
}

interface Bucket {
  tokens: number;
  at: number;
}

export function createRateLimit(options: RateLimitOptions): RateLimit {
  const { burst, per_second, clock, max_clients = 10_000 } = options;
  /** In the order of their last request. */
  const buckets = new Map<string, Bucket>();
  /** After so long without a request a bucket is full again, and as good as forgotten. */
  const full_after_ms = (burst / per_second) * 1_000;

  const forget = (now: number): void => {
    for (const [client, { at }] of buckets) {
      if (now - at < full_after_ms && buckets.size <= max_clients) return;
      buckets.delete(client);
    }
  };

  return {
    take(client) {
      const now = clock();
      const { tokens, at } = buckets.get(client) ?? { tokens: burst, at: now };
      const available = Math.min(burst, tokens + ((now - at) / 1_000) * per_second);
      const left = available < 1 ? available : available - 1;
      buckets.delete(client);
      buckets.set(client, { tokens: left, at: now });
      forget(now);
      if (available < 1)
        throw new CcliError('too_many_requests', undefined, {
          retry_after_ms: ((1 - available) / per_second) * 1_000,
        });
    },
    get clients() {
      return buckets.size;
    },
  };
}
