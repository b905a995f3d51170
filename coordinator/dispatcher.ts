/**
 * Brings the fleet nearer to what is asked of it: snapshot, plan, execute. Runs on every event and on a timer; an
 * activation takes no input, so one that is missed costs a tick and nothing else.
 */
import type { Lifecycle } from '../protocol/daemon/lifecycle.ts';
import { errorFields, type Log } from '../protocol/daemon/log.ts';
import type { AttemptCare } from './attempt.ts';
import { type Action, plan, type QueuedTask } from './core/plan.ts';
import type { Running, Served } from './core/share.ts';
import { type Fleet, slotKey } from './fleet.ts';
import type { Leadership } from './leadership.ts';
import type { Mirror } from './mirror.ts';
import type { Planner } from './planner.ts';
import type { Steps } from './steps.ts';
import { createSupervisor } from './supervisor.ts';
import type { TaskEntry } from './task-entry.ts';

export interface Dispatcher {
  /** Something may have changed. Cheap to call; many calls make one turn. */
  activate(): void;
  /** Another attempt than the current one has ended the task: stop the rest. */
  overtaken(entry: TaskEntry, winner: number): void;
  /** This coordinator has become the leader: what it knew before may be old. */
  begin(): void;
}

/** A task has been given to an agent, for these reasons. */
type Placed = Extract<Action, { action: 'assign' }>;

interface DispatcherOptions {
  readonly mirror: Mirror;
  readonly planner: Pick<Planner, 'queued'>;
  readonly fleet: Fleet;
  readonly steps: Steps;
  readonly care: AttemptCare;
  readonly leadership: Leadership;
  /** Whether the mirror shows what is stored, and not what was. */
  readonly current: () => boolean;
  readonly clock: () => number;
  readonly lost_after_ms: number;
  readonly reportsFolded: (node: string) => Promise<boolean>;
  /** Called once the placement is stored. */
  readonly onPlaced: (placed: Placed) => void;
  readonly lifecycle: Lifecycle;
  readonly log: Log;
}

export function createDispatcher(options: DispatcherOptions): Dispatcher {
  const { mirror, fleet, steps, care, clock, leadership, lifecycle, log } = options;
  /** Queued tasks that an earlier turn is still writing, with the agent each is to take. */
  const writing = new Map<string, Running | undefined>();
  const served = new Map<string, Served>();
  let noted = false;
  const wake = createWake(clock, () => {
    activate();
  });
  let planned: NodeJS.Immediate | undefined;

  /** Asked right before each turn: whoever was stopped for a while may be leader no more. */
  const mayDecide = (): boolean => leadership.holds() && options.current() && !lifecycle.signal.aborted;

  const activate = (): void => {
    if (!mayDecide()) {
      if (!leadership.holds()) dropNotes();
      return;
    }
    planned ??= setImmediate(() => {
      planned = undefined;
      if (mayDecide()) turn();
    });
  };

  /** Whoever follows looks for itself what a task waits for: what it found as the leader grows old. */
  const dropNotes = (): void => {
    if (noted) for (const entry of mirror.queued()) entry.waiting_for = undefined;
    noted = false;
  };

  const act = (what: string, task_id: string, work: Promise<unknown>): void => {
    // After a failure the next tick tries again: at once, a store that is down or full would be asked without a pause.
    const watched = work.then(activate, (error: unknown) => {
      log.warn('action_failed', { what, task_id, ...errorFields(error) });
    });
    lifecycle.handOver(watched);
  };

  const supervisor = createSupervisor({ ...options, act, wakeAt: wake.at });

  const turn = (): void => {
    supervisor.tidy();
    const active = mirror.active();
    for (const entry of active) supervisor.look(entry);
    supervisor.stopStrays();
    const now = clock();
    const queued: QueuedTask[] = [];
    for (const entry of mirror.queued()) {
      if (writing.has(entry.task_id)) continue;
      if (entry.cancel_requested) cancelQueued(entry);
      else queued.push(options.planner.queued(entry));
    }
    for (const { pause_ms, deadline_left_ms } of queued) {
      if (pause_ms > 0) wake.at(now + pause_ms);
      if (deadline_left_ms !== undefined) wake.at(now + Math.max(0, deadline_left_ms));
    }
    const running = runningOf(active);
    const candidates = fleet.candidates(slotsGiven(running));
    forgetServed(queued);
    for (const action of plan({ queued, candidates, running, served: [...served.values()] })) execute(action);
  };

  /** What was before the oldest task came makes no difference to anybody's turn. */
  const forgetServed = (queued: readonly QueuedTask[]): void => {
    const oldest = queued.reduce((least, { seq }) => Math.min(least, seq), Number.POSITIVE_INFINITY);
    for (const [key, { seq }] of served) if (seq < oldest) served.delete(key);
  };

  /** Those included that are just being given away. */
  const runningOf = (active: readonly TaskEntry[]): Running[] => {
    const running = active.flatMap(({ task_id, caller, state }): Running[] => {
      const attempt = state.attempts.at(-1);
      if (attempt === undefined || writing.has(task_id)) return [];
      return [{ caller, node: attempt.node, agent_id: attempt.agent_id }];
    });
    for (const given of writing.values()) if (given !== undefined) running.push(given);
    return running;
  };

  const slotsGiven = (running: readonly Running[]): Map<string, number> => {
    const given = new Map<string, number>();
    for (const { node, agent_id } of running) {
      const slot = slotKey(node, agent_id);
      given.set(slot, (given.get(slot) ?? 0) + 1);
    }
    return given;
  };

  const write = (
    what: string,
    entry: TaskEntry,
    given: Running | undefined,
    work: () => Promise<unknown>,
  ): void => {
    writing.set(entry.task_id, given);
    const done = steps.inTurn(entry.task_id, work).finally(() => writing.delete(entry.task_id));
    act(what, entry.task_id, done);
  };

  const cancelQueued = (entry: TaskEntry): void => {
    write('cancel', entry, undefined, () => steps.take(entry, { step: 'cancel', stop_confirmed: true }));
  };

  const execute = (action: Action): void => {
    const entry = mirror.get(action.task_id);
    if (entry === undefined) return;
    switch (action.action) {
      case 'wait':
        entry.waiting_for = action.why;
        noted = true;
        return;
      case 'fail':
        write('fail', entry, undefined, () =>
          steps.take(entry, { step: 'fail', error: action.error, partial: false }),
        );
        return;
      case 'assign': {
        const { node, instance_id, status, transport } = action.candidate;
        const placement = {
          node,
          instance_id,
          agent_id: status.agent_id,
          epoch: leadership.mandate.epoch,
          ...(transport !== undefined && { transport }),
        };
        const step = {
          step: 'assign' as const,
          attempt: action.attempt,
          placement,
          why: action.why.slice(0, MAX_WHY),
          fallback: action.fallback,
        };
        const slot = slotKey(node, status.agent_id);
        const given: Running = { caller: entry.caller, node, agent_id: status.agent_id };
        write('assign', entry, given, async () => {
          if (!(await steps.take(entry, step))) return;
          // The revisions of requests and states are of one stream.
          served.set(`${entry.caller}/${slot}`, { ...given, seq: entry.state_revision });
          options.onPlaced(action);
          supervisor.look(entry);
        });
      }
    }
  };

  lifecycle.signal.addEventListener('abort', () => {
    clearImmediate(planned);
    wake.clear();
  });

  return {
    activate,
    overtaken(entry, winner) {
      for (const attempt of entry.state.attempts) {
        if (attempt.attempt === winner || attempt.error !== undefined) continue;
        const instance_id = fleet.node(attempt.node)?.advert.instance_id ?? attempt.instance_id;
        act('stop overtaken', entry.task_id, care.stop(entry, attempt, instance_id, 'cancelled'));
      }
    },
    begin() {
      supervisor.reset();
      activate();
    },
  };
}

/** What the record of an attempt holds of it. */
const MAX_WHY = 1_000;

/** What a timer can hold; a longer wait is looked at again then. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** One timer for the earliest time anybody wants to be woken at. */
function createWake(
  clock: () => number,
  onWake: () => void,
): { at: (at_ms: number) => void; clear: () => void } {
  let timer: NodeJS.Timeout | undefined;
  let earliest = Number.POSITIVE_INFINITY;
  return {
    at(at_ms) {
      if (at_ms >= earliest) return;
      earliest = at_ms;
      clearTimeout(timer);
      timer = setTimeout(
        () => {
          earliest = Number.POSITIVE_INFINITY;
          onWake();
        },
        Math.min(Math.max(1, at_ms - clock()), LONGEST_TIMER_MS),
      );
    },
    clear() {
      clearTimeout(timer);
    },
  };
}
