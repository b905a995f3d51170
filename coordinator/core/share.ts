/** How much of the agents each caller has during one plan, and had last. */
import type { Pool, Seat } from './pool.ts';

/** A task that has been given to an agent and has not ended. */
export interface Running {
  readonly caller: string;
  readonly node: string;
  readonly agent_id: string;
}

/** When an agent was last given to a task of the caller. */
export interface Served extends Running {
  /** On the scale on which tasks arrive. */
  readonly seq: number;
}

export interface Share {
  /** How many tasks the caller has running on those agents. */
  readonly running: number;
  /** When one of them was last given to it; 0 when that was never, or so long ago that nobody knows. */
  readonly served: number;
}

export interface Shares {
  of(caller: string, among: (seat: Seat) => boolean): Share;
  /** It has been given to a task of the caller, in this plan. */
  add(caller: string, seat: Seat): void;
}

interface Own {
  running: number;
  served: number;
}

/** What runs on an agent that nobody knows any more takes nothing away from anyone. */
export function createShares(
  { running, served }: { readonly running: readonly Running[]; readonly served: readonly Served[] },
  pool: Pick<Pool, 'seat'>,
): Shares {
  const callers = new Map<string, Map<Seat, Own>>();
  const ownOf = (caller: string, seat: Seat): Own => {
    const seats = callers.get(caller) ?? new Map<Seat, Own>();
    callers.set(caller, seats);
    const own = seats.get(seat) ?? { running: 0, served: 0 };
    seats.set(seat, own);
    return own;
  };
  for (const { caller, node, agent_id } of running) {
    const seat = pool.seat(node, agent_id);
    if (seat !== undefined) ownOf(caller, seat).running += 1;
  }
  for (const { caller, node, agent_id, seq } of served) {
    const seat = pool.seat(node, agent_id);
    if (seat !== undefined) ownOf(caller, seat).served = seq;
  }
  return {
    add(caller, seat) {
      const own = ownOf(caller, seat);
      own.running += 1;
      own.served = Number.MAX_SAFE_INTEGER;
    },
    of(caller, among) {
      const share = { running: 0, served: 0 };
      for (const [seat, own] of callers.get(caller) ?? []) {
        if (!among(seat)) continue;
        share.running += own.running;
        share.served = Math.max(share.served, own.served);
      }
      return share;
    },
  };
}
