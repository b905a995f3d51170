/**
 * Keeps one warm process for one tool policy and lets tasks share it.
 *
 *     nothing ──start──> current ──worn──> successor starts beside it ──ready──> drains ──idle──> stopped
 *        ^                  └───────────────────dies──────────────────> nothing
 *
 * A process is worn after so many sessions or so much memory: each session slows it down. What dies is started again
 * by whoever needs it next.
 */
import type { ToolPolicy } from '../../../protocol/agent.ts';
import { errorFields } from '../../../protocol/daemon/log.ts';
import { CcliError } from '../../../protocol/errors.ts';
import { abortable } from '../abortable.ts';
import type { DriverOptions } from '../launch.ts';
import { type Member, type ReadySession, startMember } from './member.ts';

const WORN_BYTES = 1536 * 1024 * 1024;
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

interface PoolOptions extends DriverOptions {
  readonly policy: ToolPolicy;
  readonly initialize_timeout_ms: number;
}

export function createPool(options: PoolOptions): Pool {
  const { agent, log, policy } = options;
  const closing = new AbortController();
  const background = new Set<Promise<void>>();
  const running = new Map<Member, number>();
  const timers = new Set<NodeJS.Timeout>();
  let current: Member | undefined;
  let starting: Promise<Member> | undefined;

  const start = async (): Promise<Member> => {
    const member = await startMember(options, {
      policy,
      signal: closing.signal,
      initialize_timeout_ms: options.initialize_timeout_ms,
      ready: Math.min(agent.max_concurrent, agent.max_sessions),
    });
    if (closing.signal.aborted) {
      await member.stop();
      throw closed();
    }
    log.info('cli_started', {
      pid: member.connection.pid,
      cli_version: member.cli_version,
      node_version: member.node_version,
      tool_policy: policy,
    });
    running.set(member, 0);
    current = member;
    void member.connection.gone.then(reason => {
      if (running.has(member)) log.warn('cli_ended', errorFields(reason));
      running.delete(member);
      if (current === member) current = undefined;
    });
    return member;
  };

  const begin = (): Promise<Member> => {
    starting ??= start().finally(() => {
      starting = undefined;
    });
    return starting;
  };

  /** Work nobody awaits: `close` does, and its failure is told to the log alone. */
  const later = (event: string, work: Promise<unknown>): void => {
    const watched: Promise<void> = work
      .then(
        () => undefined,
        (error: unknown) => {
          if (!closing.signal.aborted) log.warn(event, errorFields(error));
        },
      )
      .finally(() => background.delete(watched));
    background.add(watched);
  };

  const retire = (member: Member): void => {
    if (member === current || running.get(member) !== 0) return;
    running.delete(member);
    log.info('cli_recycled', { pid: member.connection.pid, sessions: member.taken });
    later('cli_stop_failed', member.stop());
  };

  const succeed = (member: Member): void => {
    const worn = member.taken >= agent.max_sessions || (member.resident_bytes ?? 0) > WORN_BYTES;
    if (!worn || member !== current || starting !== undefined || closing.signal.aborted) return;
    later(
      'cli_successor_failed',
      begin().then(async successor => {
        retire(member);
        await successor.replenish();
      }),
    );
  };

  const ensure = async (signal: AbortSignal): Promise<Member> => {
    if (closing.signal.aborted) throw closed();
    if (current?.connection.alive === true) return current;
    const fresh = starting === undefined;
    const member = await abortable(begin(), signal);
    if (fresh) later('session_failed', member.replenish());
    return member;
  };

  return {
    get warm() {
      return current?.connection.alive === true;
    },
    ensure,
    async lease(signal) {
      const warm = current?.connection.alive === true;
      const member = await ensure(signal);
      running.set(member, (running.get(member) ?? 0) + 1);
      const done = (): void => {
        const count = running.get(member);
        if (count === undefined) return;
        running.set(member, count - 1);
        succeed(member);
        retire(member);
      };
      const taking = member.take();
      let session: ReadySession;
      try {
        session = await abortable(taking, signal);
      } catch (error) {
        done();
        // Nobody waits for it any more: its directory goes when it comes.
        if (signal.aborted)
          later(
            'session_failed',
            taking.then(late => late.workspace.remove()),
          );
        throw error;
      }
      const restock = (): void => {
        if (member === current && member.taken < agent.max_sessions)
          later('session_failed', member.replenish());
      };
      // Making a session keeps the CLI busy: best while the model thinks, else once the answer is there.
      const timer = setTimeout(() => {
        timers.delete(timer);
        restock();
      }, RESTOCK_DELAY_MS);
      timers.add(timer);
      return {
        member,
        session,
        warm,
        release() {
          // The timer runs on: what the answer still has to pass comes before the next task's session.
          done();
          later('workspace_remains', session.workspace.remove());
        },
      };
    },
    async close() {
      closing.abort(closed());
      for (const timer of timers) clearTimeout(timer);
      await starting?.catch(() => undefined);
      const members = [...running.keys()];
      running.clear();
      await Promise.all(members.map(member => member.stop()));
      while (background.size > 0) await Promise.all(background);
    },
  };
}

const closed = (): CcliError => new CcliError('draining', 'The node-agent is stopping.');
