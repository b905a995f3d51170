/** Where a task stands, from what is told of it by events and by views, whichever is sooner; never back again. */
import type { FleetEvent } from '../../protocol/event.ts';
import type { TaskView } from '../../protocol/operation.ts';
import type { TaskStreamEvent } from '../../protocol/stream.ts';
import { isTerminal, type TaskStatus } from '../../protocol/task.ts';

export type State = Omit<Extract<TaskStreamEvent, { event: 'state' }>, 'position'>;
export type TaskEvent = Extract<FleetEvent, { kind: 'task' }>;

export interface TaskStates {
  readonly current: State;
  /** @returns whether this is news */
  learn(state: State): boolean;
}

export function createTaskStates(first: State): TaskStates {
  let current = first;
  return {
    get current() {
      return current;
    },
    learn(state) {
      const older = rankOf(state) < rankOf(current);
      if (older || JSON.stringify(state) === JSON.stringify(current)) return false;
      current = state;
      return true;
    },
  };
}

/** Within an attempt; a task that waits again does so after its last attempt. */
const PHASES: Readonly<Record<TaskStatus, number>> = {
  assigned: 0,
  running: 1,
  queued: 2,
  completed: 3,
  failed: 3,
  cancelled: 3,
};

const rankOf = ({ status, attempt = 0 }: State): number =>
  isTerminal(status) ? Number.POSITIVE_INFINITY : attempt * 4 + PHASES[status];

export function stateOfView(view: TaskView): State {
  const { task_id, status, waiting_for, error } = view;
  return {
    ...placed(status, whereOf(view)),
    task_id,
    ...(waiting_for !== undefined && { waiting_for }),
    ...(error !== undefined && { error }),
  };
}

/** Undefined when the event does not say enough: then a view has to be asked for. */
export function stateOfEvent({ task_id, status, attempt, node, agent_id }: TaskEvent): State | undefined {
  if (status !== 'assigned' && status !== 'running') return undefined;
  return { ...placed(status, { attempt, node, agent_id }), task_id };
}

interface Where {
  readonly attempt?: number | undefined;
  readonly node?: string | undefined;
  readonly agent_id?: string | undefined;
}

/** Of the attempt that the view tells of: the one that answered, or the last one. */
const whereOf = ({ node, agent_id, attempts }: TaskView): Where => ({
  attempt: attempts.findLast(known => known.node === node && known.agent_id === agent_id)?.attempt,
  node,
  agent_id,
});

/** A queued task is nobody's. */
const placed = (status: TaskStatus, { attempt, node, agent_id }: Where): Omit<State, 'task_id'> => ({
  event: 'state',
  status,
  ...(attempt !== undefined && { attempt }),
  ...(status !== 'queued' && node !== undefined && { node }),
  ...(status !== 'queued' && agent_id !== undefined && { agent_id }),
});
