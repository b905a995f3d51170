/** Lets tasks share the warm process of one tool policy: each gets a session of its own, made before it came. */
import { abortable } from '../abortable.ts';
import { createKeeper, type KeeperOptions } from './keeper.ts';
import type { Member, ReadySession } from './member.ts';

/** Past this, the request has gone out to the model; after a quick answer, the answer has gone out to the caller. */
const RESTOCK_DELAY_MS = 100;

export interface Lease {
  readonly member: Member;
  readonly session: ReadySession;
  /** Whether the process was up before the task came. */
  readonly warm: boolean;
  /** Gives the session back, which is never used again. */
  release(): void;
}

export interface Pool {
  readonly warm: boolean;
  /** The process that takes tasks, started if need be. */
  ensure(signal: AbortSignal): Promise<Member>;
  lease(signal: AbortSignal): Promise<Lease>;
  close(): Promise<void>;
}

export function createPool(options: KeeperOptions): Pool {
  const { max_sessions } = options.agent;
  const keeper = createKeeper(options);
  const { background } = keeper;
  const timers = new Set<NodeJS.Timeout>();

  /** Making a session keeps the CLI busy: best while the model thinks, else once the answer is there. */
  const restockSoon = (member: Member): void => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      if (member === keeper.current && member.taken < max_sessions)
        background.start('session_failed', member.replenish());
    }, RESTOCK_DELAY_MS);
    timers.add(timer);
  };

  return {
    get warm() {
      return keeper.current !== undefined;
    },
    ensure: signal => keeper.ensure(signal),
    async lease(signal) {
      const warm = keeper.current !== undefined;
      const member = await keeper.ensure(signal);
      const seat = keeper.seatOf(member);
      if (seat !== undefined) seat.leases += 1;
      const done = (): void => {
        if (seat === undefined) return;
        seat.leases -= 1;
        keeper.review(seat);
      };
      const taking = member.take();
      let session: ReadySession;
      try {
        session = await abortable(taking, signal);
      } catch (error) {
        if (signal.aborted) {
          // Nobody waits for it any more: its directory goes when it comes.
          background.start(
            'session_failed',
            taking.then(late => discard(member, late)),
          );
        } else if (seat !== undefined && member.connection.alive) keeper.disown(seat);
        done();
        throw error;
      }
      restockSoon(member);
      return {
        member,
        session,
        warm,
        release() {
          // The timer runs on: what the answer still has to pass comes before the next task's session.
          done();
          background.start('session_remains', discard(member, session));
        },
      };
    },
    async close() {
      for (const timer of timers) clearTimeout(timer);
      await keeper.close();
    },
  };
}

/** Some CLIs keep a process for each session until they are told that it is over. */
async function discard({ connection }: Member, { id, workspace }: ReadySession): Promise<void> {
  try {
    await connection.closeSession(id);
  } finally {
    await workspace.remove();
  }
}
