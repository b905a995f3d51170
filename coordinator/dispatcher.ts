/**
 * Brings the fleet nearer to what is asked of it: snapshot, plan, execute. Runs on every event and on a timer; an
 * activation takes no input, so one that is missed costs a tick and nothing else.
 */
import type { Lifecycle } from '../protocol/daemon/lifecycle.ts';
import { errorFields, type Log } from '../protocol/daemon/log.ts';
import { type AttemptCare, deadlineLeft } from './attempt.ts';
import { type Action, plan, type QueuedTask } from './core/plan.ts';
import { countSlots, type Fleet, slotKey } from './fleet.ts';
import type { Leadership } from './leadership.ts';
import type { Mirror, TaskEntry } from './mirror.ts';
import type { Steps } from './steps.ts';
import { createSupervisor } from './supervisor.ts';

export interface Dispatcher {
  /** Something may have changed. Cheap to call; many calls make one turn. */
  activate(): void;
  /** Another attempt than the current one has ended the task: stop the rest. */
  overtaken(entry: TaskEntry, winner: number): void;
  /** This coordinator has become the leader: what it knew before may be old. */
  begin(): void;
}

interface DispatcherOptions {
  readonly mirror: Mirror;
  readonly fleet: Fleet;
  readonly steps: Steps;
  readonly care: AttemptCare;
  readonly leadership: Leadership;
  /** Whether the mirror shows what is stored, and not what was. */
  readonly current: () => boolean;
  readonly clock: () => number;
  readonly lost_after_ms: number;
  readonly reportsFolded: (node: string) => Promise<boolean>;
  readonly lifecycle: Lifecycle;
  readonly log: Log;
}

export function createDispatcher(options: DispatcherOptions): Dispatcher {
  const { mirror, fleet, steps, care, clock, leadership, lifecycle, log } = options;
  /** Queued tasks that an earlier turn is still writing, with the slot each is to take. */
  const writing = new Map<string, string | undefined>();
  const wake = createWake(clock, () => {
    activate();
  });
  let planned: NodeJS.Immediate | undefined;

  /** Asked right before each turn: whoever was stopped for a while may be leader no more. */
  const mayDecide = (): boolean => leadership.holds() && options.current() && !lifecycle.signal.aborted;

  const activate = (): void => {
    if (!mayDecide()) return;
    planned ??= setImmediate(() => {
      planned = undefined;
      if (mayDecide()) turn();
    });
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
      else queued.push(queuedTask(entry, now));
    }
    for (const { pause_ms, deadline_left_ms } of queued) {
      if (pause_ms > 0) wake.at(now + pause_ms);
      if (deadline_left_ms !== undefined) wake.at(now + Math.max(0, deadline_left_ms));
    }
    for (const action of plan({ queued, candidates: fleet.candidates(slotsGiven(active)) })) execute(action);
  };

  const slotsGiven = (active: readonly TaskEntry[]): Map<string, number> => {
    const given = countSlots(active.filter(entry => !writing.has(entry.task_id)));
    for (const slot of writing.values()) if (slot !== undefined) given.set(slot, (given.get(slot) ?? 0) + 1);
    return given;
  };

  const write = (
    what: string,
    entry: TaskEntry,
    slot: string | undefined,
    work: () => Promise<unknown>,
  ): void => {
    writing.set(entry.task_id, slot);
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
        return;
      case 'fail':
        write('fail', entry, undefined, () =>
          steps.take(entry, { step: 'fail', error: action.error, partial: false }),
        );
        return;
      case 'assign': {
        const { node, instance_id, status } = action.candidate;
        const placement = { node, instance_id, agent_id: status.agent_id, epoch: leadership.mandate.epoch };
        const step = { step: 'assign' as const, attempt: action.attempt, placement, why: action.why };
        write('assign', entry, slotKey(node, status.agent_id), async () => {
          if (await steps.take(entry, step)) supervisor.look(entry);
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

/** A queued task as the planner sees it. */
export const queuedTask = (entry: TaskEntry, now: number): QueuedTask => ({
  task_id: entry.task_id,
  seq: entry.seq,
  options: entry.options,
  prompt_bytes: entry.prompt_bytes,
  attempt: (entry.state.attempts.at(-1)?.attempt ?? 0) + 1,
  last_error: entry.state.error,
  tried: entry.state.attempts.map(attempt => attempt.agent_id),
  waited_ms: now - entry.queued_since_ms,
  pause_ms: Math.max(0, entry.not_before_ms - now),
  deadline_left_ms: deadlineLeft(entry, now),
});

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
