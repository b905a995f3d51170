/** The warm processes there are, and how many tasks each of them has. */
import type { Member } from './member.ts';

/** A process that is not named by any seat any more ends on purpose: its end is no crash. */
export interface Seat {
  readonly member: Member;
  /** Tasks that have a session in it. */
  leases: number;
  /** Times in a row that it gave no answer. */
  missed: number;
  /** It answers, and makes no sessions. */
  barren: boolean;
}

export interface Seats {
  add(member: Member): Seat;
  of(member: Member): Seat | undefined;
  all(): readonly Seat[];
  /** Whether it was there. */
  remove(member: Member): boolean;
}

export function createSeats(): Seats {
  const seats = new Map<Member, Seat>();
  return {
    add(member) {
      const seat = { member, leases: 0, missed: 0, barren: false };
      seats.set(member, seat);
      return seat;
    },
    of: member => seats.get(member),
    all: () => [...seats.values()],
    remove: member => seats.delete(member),
  };
}
