/** Waits for the end of a task, through restarts of the coordinator and of NATS. */
import { setTimeout as delay } from 'node:timers/promises';
import { CcliError, type ErrorCode } from '../../protocol/errors.ts';
import { MAX_WAIT_MS } from '../../protocol/limits.ts';
import type { TaskView } from '../../protocol/operation.ts';
import { isTerminal } from '../../protocol/task.ts';
import type { CallContext } from '../caller.ts';
import type { Operations } from '../operations.ts';

interface FollowOptions extends CallContext {
  readonly task_id: string;
  /** Called with the task as it stands, every so often and at its end. */
  readonly onView?: (view: TaskView) => void;
  /** Longest between two looks at a task that waits for an agent: why it waits may change. */
  readonly queued_wait_ms?: number;
  /** Called each time that nobody answers, with how often that was. */
  readonly onTrouble?: (error: CcliError, times: number) => void;
}

/** Short at first, since early changes are the ones that people wait for. An end is answered at once in any case. */
const WAITS_MS = [300, 700, 1_000, 2_000, 5_000, 10_000];
const LAST_WAIT_MS = Math.min(20_000, MAX_WAIT_MS);
/** How long a fleet may be silent before its task is left to itself. */
const PATIENCE_MS = 60_000;
const PAUSES_MS = [200, 500, 1_000];
const LAST_PAUSE_MS = 2_000;

/** @throws CcliError whatever `get` throws; what may pass by itself only after a minute of trying. */
export async function waitForEnd(operations: Operations, options: FollowOptions): Promise<TaskView> {
  const { task_id, caller, signal, onView, onTrouble } = options;
  const patience = createPatience(signal, onTrouble);
  let longest_ms = LAST_WAIT_MS;
  for (let turn = 0; ; turn += 1) {
    const wait_ms = Math.min(WAITS_MS[turn] ?? LAST_WAIT_MS, longest_ms);
    const view = await patience.once(() => operations.get({ task_id, wait_ms }, { caller, signal }));
    if (view === undefined) continue;
    onView?.(view);
    if (isTerminal(view.status)) return view;
    longest_ms = view.status === 'queued' ? (options.queued_wait_ms ?? LAST_WAIT_MS) : LAST_WAIT_MS;
  }
}

/** Does it again while nobody answers. @throws CcliError as `waitForEnd` does */
export async function insist<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
  const patience = createPatience(signal);
  for (;;) {
    const done = await patience.once(async () => ({ value: await work() }));
    if (done !== undefined) return done.value;
  }
}

interface Patience {
  /** Undefined, after a pause, when it failed for a reason that may pass. */
  once<T>(work: () => Promise<T>): Promise<T | undefined>;
}

function createPatience(signal: AbortSignal, onTrouble?: FollowOptions['onTrouble']): Patience {
  let troubles = 0;
  let silentSince: number | undefined;
  return {
    async once(work) {
      // Who is asked within the same process does not throw for it.
      signal.throwIfAborted();
      try {
        const value = await work();
        troubles = 0;
        silentSince = undefined;
        return value;
      } catch (error) {
        if (signal.aborted || !mayPass(error)) throw error;
        const now = performance.now();
        silentSince ??= now;
        if (now - silentSince > PATIENCE_MS) throw error;
        troubles += 1;
        onTrouble?.(error, troubles);
        await pause(PAUSES_MS[troubles - 1] ?? LAST_PAUSE_MS, signal);
        return undefined;
      }
    },
  };
}

const PASSING: ReadonlySet<ErrorCode> = new Set(['no_coordinator', 'store_unavailable', 'nats_unreachable']);

const mayPass = (error: unknown): error is CcliError => error instanceof CcliError && PASSING.has(error.code);

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, { signal });
  } catch (error) {
    // The reason given by whoever aborted says more than that it was aborted.
    signal.throwIfAborted();
    throw error;
  }
}
