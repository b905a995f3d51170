/** Takes a step of a task's life: legal or not at all, by compare-and-set, then told to whoever listens. */
import { errorFields, type Log } from '../protocol/daemon/log.ts';
import { CcliError } from '../protocol/errors.ts';
import { type TaskState, type TaskStep, transition } from '../protocol/task.ts';
import { refresh } from './lookup.ts';
import type { Mirror } from './mirror.ts';
import type { TaskStore } from './store.ts';
import type { TaskEntry } from './task-entry.ts';

export interface Steps {
  /**
   * Whether the step was taken. False when the task is no longer where the step starts from.
   *
   * @throws CcliError `store_unavailable` when nothing can be said: the step may be tried again.
   */
  take(entry: TaskEntry, step: TaskStep): Promise<boolean>;
  /** Work on one task waits for the work before it; work on different tasks does not. */
  inTurn<T>(task_id: string, work: () => Promise<T>): Promise<T>;
}

interface StepsOptions {
  readonly store: TaskStore;
  readonly mirror: Mirror;
  readonly onStep: (entry: TaskEntry, state: TaskState) => void;
  /** Milliseconds since the epoch, for display. */
  readonly now: () => number;
  readonly log: Log;
}

export function createSteps({ store, mirror, onStep, now, log }: StepsOptions): Steps {
  const tails = new Map<string, Promise<unknown>>();

  return {
    async take(entry, step) {
      // Once more after losing a race: the winner may have taken a step from which this one is still legal.
      for (let round = 0; round < 2; round += 1) {
        const next = transition(entry.state, step, now());
        if (!next.ok) {
          log.debug('step_refused', { task_id: entry.task_id, step: step.step, reason: next.reason });
          return false;
        }
        const revision = await store.writeState(next.state, entry.state_revision);
        if (revision !== undefined) {
          mirror.apply({ record: 'state', state: next.state, revision });
          onStep(entry, next.state);
          return true;
        }
        await refresh(store, mirror, entry.task_id);
      }
      throw new CcliError('store_unavailable', `Somebody else keeps changing task ${entry.task_id}.`);
    },
    async inTurn(task_id, work) {
      const before = tails.get(task_id) ?? Promise.resolve();
      const own = before.then(work, work);
      const tail = own.catch((error: unknown) => {
        // Its own caller gets the rejection; whoever comes next only waits.
        log.debug('turn_failed', { task_id, ...errorFields(error) });
      });
      tails.set(task_id, tail);
      try {
        return await own;
      } finally {
        if (tails.get(task_id) === tail) tails.delete(task_id);
      }
    },
  };
}
