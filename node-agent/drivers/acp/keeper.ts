/**
 * Keeps one warm process in service for one tool policy, from its start to its end.
 *
 *     nothing ──start──> current ──worn──> successor starts beside it ──ready──> drains ──idle──> stopped
 *        ^                  ├──silent, at work──> the same, and ended when it stays silent
 *        └──────────────────┴──silent, idle; far too much memory; dies──> nothing
 *
 * Worn is a process after so many sessions, so old, or with so much memory. A successor that does not start leaves
 * the old one in service. What is ended or dies takes its own tasks with it and no others.
 */
import type { ToolPolicy } from '../../../protocol/agent.ts';
import { errorFields } from '../../../protocol/daemon/log.ts';
import { CcliError } from '../../../protocol/errors.ts';
import { abortable } from '../abortable.ts';
import { type Background, createBackground } from '../background.ts';
import type { DriverOptions } from '../launch.ts';
import { patienceFor } from './health.ts';
import { type Member, startMember } from './member.ts';
import { createSeats, type Seat } from './seats.ts';
import { watchSeat } from './watch.ts';
import { isUnbearable, wearOf } from './wear.ts';

/** Answers in a row that a process at work may owe. */
const MOST_MISSED = 2;
/** One that does not answer will hardly clean up after itself. */
const SILENT_GRACE_MS = 500;
/** Between two tries to start a successor; the first pause is the time between two looks. */
const LONGEST_PAUSE_MS = 600_000;

export interface KeeperOptions extends DriverOptions {
  readonly policy: ToolPolicy;
  /** Whether a process is to be up even while no task wants one. */
  readonly keep: boolean;
  readonly initialize_timeout_ms: number;
  readonly patience_ms?: number | undefined;
  /**
   * A process ended that was not meant to, or none could be started and there is no other. Answers whether one is to
   * be started again at once.
   */
  readonly onCrash: (reason: CcliError) => boolean;
}

export interface Keeper {
  /** The process that takes tasks, while there is one. */
  readonly current: Member | undefined;
  readonly background: Background;
  /** The process that takes tasks, started if need be. */
  ensure(signal: AbortSignal): Promise<Member>;
  seatOf(member: Member): Seat | undefined;
  /** Looks at what a process has become, and lets it go if its time has come. */
  review(seat: Seat): void;
  /** It answers, and makes no sessions: another one is to take its place. */
  disown(seat: Seat): void;
  close(): Promise<void>;
}

export function createKeeper(options: KeeperOptions): Keeper {
  const { agent, log, policy } = options;
  const { health_interval, max_sessions } = agent;
  const closing = new AbortController();
  const background = createBackground(log, closing.signal);
  const seats = createSeats();
  let current: Member | undefined;
  let starting: Promise<Member> | undefined;
  let failed_successors = 0;
  let next_successor_at = 0;

  const alive = (): boolean => current?.connection.alive === true;

  const start = async (): Promise<Member> => {
    const member = await startMember(options, {
      policy,
      signal: closing.signal,
      initialize_timeout_ms: options.initialize_timeout_ms,
      ready: Math.min(agent.max_concurrent, max_sessions),
    });
    if (closing.signal.aborted) {
      await member.stop();
      throw closed();
    }
    const { connection, cli_version, executable } = member;
    const { pid } = connection;
    log.info('cli_started', {
      pid,
      cli_version,
      node_version: executable.node.version,
      tool_policy: policy,
    });
    const seat = seats.add(member);
    current = member;
    void connection.gone.then(reason => {
      if (current === member) current = undefined;
      if (!seats.remove(member)) return;
      log.warn('cli_ended', { pid, ...errorFields(reason) });
      log.debug('cli_last_words', { pid, stderr: connection.lastWords() });
      crashed(reason);
    });
    background.start('watch_failed', watch(seat));
    return member;
  };

  const watch = (seat: Seat): Promise<void> =>
    watchSeat(
      seat,
      {
        interval_ms: health_interval,
        patience_ms: options.patience_ms ?? patienceFor(health_interval),
        onWell: () => {
          consider(seat);
        },
        onSilent: () => {
          doubt(seat);
        },
      },
      closing.signal,
    );

  const begin = (): Promise<Member> => {
    starting ??= start().finally(() => {
      starting = undefined;
    });
    return starting;
  };

  /** To have one, not to replace one: that it does not start counts as a crash. */
  const beginAnew = async (): Promise<Member> => {
    const mine = starting === undefined;
    try {
      const member = await begin();
      if (mine) background.start('session_failed', member.replenish());
      return member;
    } catch (error) {
      if (mine && error instanceof CcliError) crashed(error);
      throw error;
    }
  };

  const crashed = (reason: CcliError): void => {
    if (closing.signal.aborted) return;
    const again = options.onCrash(reason);
    if (again && options.keep && !alive()) background.start('cli_restart_failed', beginAnew());
  };

  const retire = ({ member, leases }: Seat): void => {
    if (member === current || leases > 0 || !seats.remove(member)) return;
    log.info('cli_recycled', { pid: member.connection.pid, sessions: member.taken });
    background.start('cli_stop_failed', member.stop());
  };

  /** Its tasks are told the reason, and so is whoever counts crashes. */
  const end = ({ member }: Seat, reason: CcliError, grace_ms?: number): void => {
    background.start('cli_stop_failed', member.stop(reason, grace_ms));
  };

  const succeed = (seat: Seat, reason: string): void => {
    if (seat.member !== current || starting !== undefined || closing.signal.aborted) return;
    if (performance.now() < next_successor_at) return;
    log.info('cli_worn', { pid: seat.member.connection.pid, reason });
    background.start('cli_successor_failed', replace(seat));
  };

  const replace = async (seat: Seat): Promise<void> => {
    try {
      const successor = await begin();
      failed_successors = 0;
      retire(seat);
      await successor.replenish();
    } catch (error) {
      next_successor_at =
        performance.now() + Math.min(health_interval * 2 ** failed_successors, LONGEST_PAUSE_MS);
      failed_successors += 1;
      throw error;
    }
  };

  const consider = (seat: Seat): void => {
    const worn = seat.member.worn();
    if (isUnbearable(worn, agent)) {
      end(seat, tooBig(worn.resident_bytes));
      return;
    }
    const reason = wearOf(worn, agent);
    if (reason === undefined) return;
    if (options.keep || seat.leases > 0) {
      succeed(seat, reason);
      return;
    }
    if (current === seat.member) current = undefined;
    retire(seat);
  };

  const doubt = (seat: Seat): void => {
    if (seat.leases === 0 || seat.missed >= MOST_MISSED) end(seat, unanswering(), SILENT_GRACE_MS);
    // It may only be slow: what it runs stays with it, what comes goes to another one.
    else succeed(seat, 'silent');
  };

  /** Whether tasks should rather wait for its successor. */
  const doubtful = (): boolean => {
    const seat = current === undefined ? undefined : seats.of(current);
    return seat !== undefined && starting !== undefined && (seat.missed > 0 || seat.barren);
  };

  return {
    get current() {
      return alive() ? current : undefined;
    },
    background,
    async ensure(signal) {
      if (closing.signal.aborted) throw closed();
      if (current !== undefined && alive() && !doubtful()) return current;
      return abortable(beginAnew(), signal);
    },
    seatOf: member => seats.of(member),
    review(seat) {
      if (seat.member.connection.alive) consider(seat);
      retire(seat);
    },
    disown(seat) {
      seat.barren = true;
      succeed(seat, 'no sessions');
    },
    async close() {
      closing.abort(closed());
      await starting?.catch(() => undefined);
      const members = seats.all().map(({ member }) => member);
      for (const member of members) seats.remove(member);
      await Promise.all(members.map(member => member.stop()));
      await background.ended();
    },
  };
}

const closed = (): CcliError => new CcliError('draining', 'The node-agent is stopping.');

const unanswering = (): CcliError =>
  new CcliError('cli_crashed', 'The CLI stopped answering and was ended; run the prompt again.');

const MIB = 1024 * 1024;

const tooBig = (bytes = 0): CcliError =>
  new CcliError(
    'cli_crashed',
    `The CLI held ${Math.round(bytes / MIB)} MiB, over twice its max_memory, and was ended; run the prompt again.`,
  );
