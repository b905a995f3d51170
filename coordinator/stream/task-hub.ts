/**
 * Follows one task for all who read it: made for the first reader, gone with the last.
 *
 * What its node says of the answer goes through `order` into the log, and so does each change of its state; when it has
 * ended, whatever of the answer was no chunk, and the result.
 *
 * The whole answer is in memory from the end of the task until the last reader has it, once for all of them. `limits`
 * does not count it: as many answers may be held as tasks are followed to their end at a time.
 */
import { decode } from '../../protocol/codec.ts';
import { errorFields } from '../../protocol/daemon/log.ts';
import { toErrorBody } from '../../protocol/errors.ts';
import { EventSchema } from '../../protocol/event.ts';
import type { TaskView } from '../../protocol/operation.ts';
import { pieces } from '../../protocol/output.ts';
import type { TaskStreamEvent } from '../../protocol/stream.ts';
import { isTerminal } from '../../protocol/task.ts';
import type { Operations } from '../operations.ts';
import { followOutput } from './follow-output.ts';
import type { Hub, HubOptions } from './hub.ts';
import { createInflow } from './inflow.ts';
import { createOrder, type Piece } from './order.ts';
import type { Position } from './position.ts';
import { createTaskLog } from './task-log.ts';
import { createTaskStates, type State, stateOfEvent, stateOfView } from './task-states.ts';
import { createTold } from './told.ts';
import { wholeResponse } from './transfer.ts';
import { insist, waitForEnd } from './wait-for-end.ts';

export type TaskHub = Hub<Position, TaskStreamEvent>;

interface TaskHubOptions extends HubOptions {
  readonly operations: Operations;
  /** The task as it stands. */
  readonly view: TaskView;
  /** In whose name it is looked at. */
  readonly caller: string;
}

const QUEUED_WAIT_MS = 2_000;

export function openTaskHub(options: TaskHubOptions): TaskHub {
  const { connection, names, operations, view, caller, limits, onClosed, log } = options;
  const { task_id } = view;
  const closing = new AbortController();
  const { signal } = closing;
  const context = { caller, signal };
  const order = createOrder();
  const told = createTold();
  const states = createTaskStates(stateOfView(view));
  const told_log = createTaskLog({
    limits,
    onDeserted: () => {
      void stop();
    },
  });

  const learn = (state: State | undefined): void => {
    if (state !== undefined && states.learn(state)) told_log.append({ kind: 'state', state });
  };

  const tell = (found: readonly Piece[]): void => {
    for (const piece of found) {
      told.add(piece);
      told_log.append({ kind: 'chunk', ...piece });
    }
  };

  const output = followOutput({
    connection,
    names,
    task_id,
    onChunk: chunk => {
      inflow.push(chunk);
    },
    onSettled: () => {
      inflow.push('settle');
    },
    log,
  });
  const inflow = createInflow({
    take: next => {
      tell(next === 'settle' ? order.settle() : order.push(next));
    },
    room: () => told_log.room(signal),
    source: output,
  });

  /** A view may be of earlier than the events that have come meanwhile; where it stands is told in order all the same. */
  const look = async (): Promise<void> => {
    const seen = await operations.get({ task_id }, context);
    if (!isTerminal(seen.status)) learn(stateOfView(seen));
  };
  const events = connection.subscribe(names.taskEvent(task_id), {
    callback: (error, message) => {
      if (error !== null || signal.aborted) return;
      const event = readTaskEvent(message.data);
      if (event === undefined) return;
      const state = stateOfEvent(event);
      learn(state);
      // What cannot be seen now is seen by the next turn of `follow`.
      if (event.status === 'queued') void look().catch(() => undefined);
    },
  });

  const append = async (entry: Parameters<typeof told_log.append>[0]): Promise<void> => {
    await told_log.room(signal);
    told_log.append(entry);
  };

  /** Tells whatever of the answer was no chunk. @returns whether readers of all chunks have all of the answer */
  const tellRest = async (ended: TaskView, response: string | undefined): Promise<boolean> => {
    if (response === undefined) {
      tell(order.settle());
      return true;
    }
    const verdict = told.compare(response);
    if (verdict.kind !== 'beginning') return verdict.kind === 'end';
    const { attempt, n } = order.next;
    // Of an answer that was long there, and of which no chunk is left.
    if (attempt === 0 && isTerminal(view.status)) return verdict.rest === '';
    const of = attempt === 0 ? lastAttempt(ended) : attempt;
    for (const [index, text] of pieces(verdict.rest).entries())
      await append({ kind: 'rest', attempt: of, n: n + index, from: n, text });
    return true;
  };

  const finish = async (ended: TaskView): Promise<void> => {
    const response = await insist(() => wholeResponse(operations, ended, context), signal);
    await inflow.drained();
    if (response === undefined || !told.fills(response)) await output.caughtUp();
    await inflow.drained();
    const complete = await tellRest(ended, response);
    learn(stateOfView(ended));
    const { response_ref: _ref, ...task } = ended;
    const { attempt, n } = order.next;
    const last = complete ? attempt : Math.max(attempt, lastAttempt(ended));
    told_log.append({
      kind: 'result',
      task: { ...task, ...(response !== undefined && { response }) },
      attempt: last,
      n: last === attempt ? n : 0,
      complete,
    });
  };

  const follow = async (): Promise<void> => {
    try {
      const ended = isTerminal(view.status)
        ? view
        : await waitForEnd(operations, {
            task_id,
            ...context,
            queued_wait_ms: QUEUED_WAIT_MS,
            onView: seen => {
              if (!isTerminal(seen.status)) learn(stateOfView(seen));
            },
          });
      await finish(ended);
    } catch (error) {
      if (signal.aborted) return;
      log.warn('task_not_followed', { task_id, ...errorFields(error) });
      told_log.close(toErrorBody(error), 'after the rest');
      onClosed();
    }
    if (!connection.isClosed()) events.unsubscribe();
    await output.stop();
  };
  const following = follow();

  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopped ??= (async () => {
      closing.abort();
      onClosed();
      if (!connection.isClosed()) events.unsubscribe();
      await output.stop();
      await following;
    })();
    return stopped;
  };

  return {
    get readers() {
      return told_log.readers;
    },
    read: (after, reading) => told_log.read(after, () => states.current, reading),
    async close(error) {
      told_log.close(error, 'now');
      await stop();
    },
  };
}

const lastAttempt = ({ attempts }: TaskView): number => attempts.at(-1)?.attempt ?? 0;

function readTaskEvent(data: Uint8Array) {
  try {
    const event = decode(EventSchema, data);
    return event.kind === 'task' ? event : undefined;
  } catch {
    // A newer coordinator may tell of more than this one knows; what counts is asked for anyway.
    return undefined;
  }
}
