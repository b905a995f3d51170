/**
 * Following a task or the fleet: the other half of what the doors call, beside `operations.ts`. Made from a connection
 * and the operations alone, so that a coordinator and a command far from it have the same.
 */
import type { NatsConnection } from '@nats-io/nats-core';
import type { Log } from '../../protocol/daemon/log.ts';
import { withinLimit } from '../../protocol/daemon/within-limit.ts';
import { CcliError, toErrorBody } from '../../protocol/errors.ts';
import type { TaskView } from '../../protocol/operation.ts';
import type { FleetStreamEvent, TaskStreamEvent } from '../../protocol/stream.ts';
import type { Names } from '../../protocol/subjects.ts';
import type { CallContext } from '../caller.ts';
import type { Operations } from '../operations.ts';
import type { LogLimits } from './event-log.ts';
import { type FleetHub, openFleetHub } from './fleet-hub.ts';
import { leaveable } from './leaveable.ts';
import { readPosition } from './position.ts';
import { openTaskHub, type TaskHub } from './task-hub.ts';

export interface Streams {
  /**
   * One task to its end: first its state, then whatever is kept of its answer, then what comes. However many read, the
   * task is subscribed to once; a reader who falls behind what is kept is told `closed` with `slow_reader`, and one
   * whose coordinator stops, `closed` with `shutting_down`. Ends without an event when the signal aborts.
   *
   * @param request.after position of the last event seen, to go on from there
   * @throws CcliError `task_unknown`, `invalid_request`, or what keeps the fleet from being asked; before the first event
   */
  task(
    request: { readonly task_id: string; readonly after?: string },
    context: CallContext,
  ): AsyncIterable<TaskStreamEvent>;
  /**
   * What happens in the fleet from now on, or after the event numbered `after`, for as long as the reader stays.
   * Events before those that are kept are one `gap`.
   */
  fleet(request: { readonly after?: number }, context: CallContext): AsyncIterable<FleetStreamEvent>;
  /** Tasks that are subscribed to at this moment, and who reads them. */
  readonly counts: { readonly tasks: number; readonly readers: number };
  /** Ends every stream with `closed`, and whatever is opened from now on. Resolves when nothing is left on the server. */
  close(): Promise<void>;
}

export interface StreamsOptions {
  readonly connection: NatsConnection;
  readonly names: Names;
  readonly operations: Operations;
  readonly log: Log;
}

/** What is kept for readers who are behind: of one task, and of the fleet. */
const TASK_LIMITS: LogLimits = { bytes: 4 * 1024 * 1024, events: 10_000 };
const FLEET_LIMITS: LogLimits = { bytes: 8 * 1024 * 1024, events: 10_000 };

/** A server that is away is not waited for: its side of a subscription ends by itself. */
const CLOSE_LIMIT_MS = 2_000;

export function createStreams({ connection, names, operations, log }: StreamsOptions): Streams {
  const tasks = new Map<string, TaskHub>();
  let fleet: FleetHub | undefined;
  let closing: Promise<void> | undefined;

  const goodbye = () => toErrorBody(new CcliError('shutting_down'));

  const openTask = (view: TaskView, caller: string): TaskHub => {
    const { task_id } = view;
    const hub = openTaskHub({
      connection,
      names,
      operations,
      view,
      caller,
      limits: TASK_LIMITS,
      onClosed: () => {
        if (tasks.get(task_id) === hub) tasks.delete(task_id);
      },
      log,
    });
    tasks.set(task_id, hub);
    return hub;
  };

  const openFleet = (): FleetHub => {
    const hub = openFleetHub({
      connection,
      names,
      limits: FLEET_LIMITS,
      onClosed: () => {
        if (fleet === hub) fleet = undefined;
      },
      log,
    });
    fleet = hub;
    return hub;
  };

  async function* readTask(
    { task_id, after }: Parameters<Streams['task']>[0],
    caller: string,
    left: AbortSignal,
  ): AsyncGenerator<TaskStreamEvent, void> {
    const from = after === undefined ? undefined : readPosition(after);
    // Whoever reads what is followed already asks nothing.
    const view = tasks.has(task_id) ? undefined : await operations.get({ task_id }, { caller, signal: left });
    if (left.aborted) return;
    if (closing !== undefined) {
      yield { event: 'closed', error: goodbye() };
      return;
    }
    if (connection.isClosed()) throw new CcliError('nats_unreachable');
    const hub = tasks.get(task_id) ?? (view && openTask(view, caller));
    if (hub !== undefined) yield* hub.read(from, left);
  }

  async function* readFleet(
    after: number | undefined,
    left: AbortSignal,
  ): AsyncGenerator<FleetStreamEvent, void> {
    if (closing !== undefined) yield { event: 'closed', error: goodbye() };
    else yield* (fleet ?? openFleet()).read(after, left);
  }

  return {
    task: (request, { caller, signal }) => leaveable(signal, left => readTask(request, caller, left)),
    fleet: ({ after }, { signal }) => leaveable(signal, left => readFleet(after, left)),
    get counts() {
      let readers = 0;
      for (const hub of tasks.values()) readers += hub.readers;
      return { tasks: tasks.size, readers };
    },
    close() {
      closing ??= (async () => {
        const open = [...tasks.values(), ...(fleet === undefined ? [] : [fleet])];
        const closed = Promise.all(open.map(hub => hub.close(goodbye())));
        await withinLimit(closed, CLOSE_LIMIT_MS);
      })();
      return closing;
    },
  };
}
