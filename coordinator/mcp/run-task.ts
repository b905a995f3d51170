/**
 * Runs one task for a call: submitted, followed, answered. It is a durable task like any other, so a call may end
 * before it does:
 *
 * - the wait is over, or the server stops: the answer says how it stands and how to get the rest; the task goes on;
 * - the client cancels the call, or goes away: the task is cancelled, as nobody would ever read it.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { limitedSignal } from '../../protocol/daemon/limited-signal.ts';
import { errorFields } from '../../protocol/daemon/log.ts';
import { CcliError } from '../../protocol/errors.ts';
import { CANCEL_WAIT_MS } from '../../protocol/limits.ts';
import { isTerminal, type TaskOptions } from '../../protocol/task.ts';
import { submitPrompt } from '../stream/transfer.ts';
import { isUnclear } from '../stream/unclear.ts';
import { contextFor, type McpDoor } from './door.ts';
import { followTask, passes } from './follow-task.ts';
import { refuseFailure, type TaskAnswer, taskAnswer, type WholeTask } from './task-answer.ts';
import type { Call } from './tool.ts';
import { wholeTask } from './whole-task.ts';

interface Wanted {
  readonly prompt: string;
  readonly options: TaskOptions;
  readonly wait_ms: number;
}

/** @throws CcliError what the task failed with; `cancelled` when the call was cancelled */
export async function runTask(door: McpDoor, wanted: Wanted, call: Call): Promise<TaskAnswer> {
  const { until, clear } = patience(door, call, wanted.wait_ms);
  // Made here, and told before anything else: whatever becomes of this call, the task can be found.
  const task_id = newTaskId();
  call.progress.say(`task ${task_id} is submitted`);
  try {
    await submit(door, task_id, wanted, call.signal);
    const task = await unlessCancelled(call, async () => {
      const ended = await followTask(door, { task_id, until, progress: call.progress });
      return ended ?? (call.signal.aborted ? undefined : await standing(door, task_id));
    }).catch((error: unknown) => {
      throw withWayBack(error, task_id);
    });
    if (task === undefined) return await giveUp(door, task_id);
    refuseFailure(task);
    return taskAnswer(task);
  } finally {
    clear();
  }
}

/** Undefined when the call was cancelled before the task had ended, whatever the work broke off with. */
async function unlessCancelled(
  { signal }: Call,
  work: () => Promise<WholeTask | undefined>,
): Promise<WholeTask | undefined> {
  try {
    const task = await work();
    return task !== undefined && signal.aborted && !isTerminal(task.status) ? undefined : task;
  } catch (error) {
    if (signal.aborted) return undefined;
    throw error;
  }
}

export const newTaskId = (): string => randomUUID().replaceAll('-', '');

export function patience(
  door: McpDoor,
  call: Call,
  wait_ms: number,
): { readonly until: AbortSignal; readonly clear: () => void } {
  const { signal, clear } = limitedSignal([call.signal, door.stopping], wait_ms);
  return { until: signal, clear };
}

/** Once the task may exist it is not broken off by a cancel: whether there is something to cancel must be known. */
async function submit(
  door: McpDoor,
  task_id: string,
  { prompt, options }: Wanted,
  cancelled: AbortSignal,
): Promise<void> {
  const context = { ...contextFor(door, new AbortController().signal), beforeSubmit: cancelled };
  try {
    await submitPrompt(door.operations, { task_id, prompt, options }, context);
  } catch (error) {
    if (!mayExist(error)) throw error;
    if (cancelled.aborted) await giveUp(door, task_id);
    throw withWayBack(error, task_id);
  }
}

/** What could not be stored in time may be stored all the same. */
const mayExist = (error: unknown): boolean =>
  isUnclear(error) || (error instanceof CcliError && error.code === 'store_unavailable');

const withWayBack = (error: unknown, task_id: string): unknown =>
  error instanceof CcliError && error.code !== 'task_unknown'
    ? new CcliError(
        error.code,
        `${error.message} The task may go on as ${task_id}: get_task with this id tells.`,
        { cause: error.cause },
      )
    : error;

async function giveUp(door: McpDoor, task_id: string): Promise<never> {
  await cancelTask(door, task_id);
  throw new CcliError('cancelled', `The call was cancelled, and with it the task ${task_id}.`);
}

/** Tried again while the fleet cannot be reached. Never rejects: there is nobody left to tell but the log. */
export async function cancelTask(door: McpDoor, task_id: string): Promise<void> {
  const limit = limitedSignal([], CANCEL_WAIT_MS + CANCEL_SLACK_MS);
  const cancel = async (): Promise<void> => {
    try {
      await door.operations.cancel({ task_id }, contextFor(door, limit.signal));
    } catch (error) {
      if (limit.signal.aborted || !passes(error)) throw error;
      await delay(PAUSE_MS, undefined, { signal: limit.signal });
      await cancel();
    }
  };
  try {
    await cancel();
  } catch (error) {
    door.log.warn('mcp_cancel_failed', { task_id, ...errorFields(error) });
  } finally {
    limit.clear();
  }
}

const PAUSE_MS = 500;

const CANCEL_SLACK_MS = 5_000;

/** How a task stands whose end was not waited for. */
async function standing(door: McpDoor, task_id: string): Promise<WholeTask> {
  const limit = limitedSignal([], STANDING_MS);
  try {
    const view = await door.operations.get({ task_id }, contextFor(door, limit.signal));
    return isTerminal(view.status) ? await wholeTask(door, view, limit.signal) : view;
  } finally {
    limit.clear();
  }
}

const STANDING_MS = 5_000;
