/** Memory for the bodies of all requests together, of which no client gets all. */
import { CcliError } from '../../protocol/errors.ts';

export interface BodyShare {
  /** @throws CcliError `overloaded` */
  readonly take: (bytes: number) => void;
  /** Gives all of it back; safe to call twice. */
  readonly release: () => void;
}

export interface BodyBudget {
  /**
   * What one request holds.
   *
   * @param client whose it is: see `DoorEnv`
   */
  open(client: string): BodyShare;
  /** Held at this moment. */
  readonly bytes: number;
}

interface BodyBudgetOptions {
  /** Bytes, of all clients. */
  readonly limit: number;
  /** Bytes, of one of them. */
  readonly per_client: number;
}

const RETRY_MS = 1_000;

export function createBodyBudget({ limit, per_client }: BodyBudgetOptions): BodyBudget {
  const clients = new Map<string, number>();
  let held = 0;
  const add = (client: string, bytes: number): void => {
    const total = (clients.get(client) ?? 0) + bytes;
    held += bytes;
    if (total > 0) clients.set(client, total);
    else clients.delete(client);
  };
  return {
    open(client) {
      let mine = 0;
      return {
        take(bytes) {
          if (held + bytes > limit || (clients.get(client) ?? 0) + bytes > per_client)
            throw new CcliError('overloaded', undefined, { retry_after_ms: RETRY_MS });
          add(client, bytes);
          mine += bytes;
        },
        release() {
          add(client, -mine);
          mine = 0;
        },
      };
    },
    get bytes() {
      return held;
    },
  };
}
