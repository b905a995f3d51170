/** Asks for a coordination until there is a reply: its id makes asking again harmless. */
import { setTimeout as delay } from 'node:timers/promises';
import type { CoordinateReply, CoordinateRequest } from '../../../protocol/coordination.ts';
import { CcliError, type ErrorCode } from '../../../protocol/errors.ts';
import { DEFAULT_BUDGET_MS } from '../../../protocol/limits.ts';
import type { Operations } from '../../operations.ts';
import { CALLER } from '../cli.ts';
import type { Progress } from '../progress.ts';

export type NamedRequest = CoordinateRequest & { readonly coordination_id: string };

interface AskOptions {
  readonly operations: Operations;
  readonly request: NamedRequest;
  readonly progress: Progress;
  /** Says "stalled" when whoever was asked seems to be gone. */
  readonly stalled: EventTarget;
  readonly signal: AbortSignal;
}

/** How long after the budget a fleet may be silent before the parts are left to themselves. */
const PATIENCE_MS = 60_000;
const PAUSE_MS = 1_000;

const PASSING: ReadonlySet<ErrorCode> = new Set(['no_coordinator', 'store_unavailable', 'nats_unreachable']);

/** @throws CcliError whatever `coordinate` throws; what may pass by itself only when it does not. */
export async function askUntilAnswered(options: AskOptions): Promise<CoordinateReply> {
  const { operations, request, progress, stalled, signal } = options;
  const until = performance.now() + (request.budget_ms ?? DEFAULT_BUDGET_MS) + PATIENCE_MS;
  for (;;) {
    const asked = new AbortController();
    const onStalled = (): void => {
      asked.abort(STALLED);
    };
    stalled.addEventListener('stalled', onStalled);
    try {
      const either = AbortSignal.any([signal, asked.signal]);
      return await operations.coordinate(request, { caller: CALLER, signal: either });
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof CcliError) || !PASSING.has(error.code)) throw error;
      if (performance.now() > until) throw withWayBack(error, request.coordination_id);
      progress.note(`${error.message} Asking again; the tasks go on meanwhile.`);
    } finally {
      stalled.removeEventListener('stalled', onStalled);
    }
    // An abort is noticed by the next turn.
    await delay(PAUSE_MS, undefined, { signal }).catch(() => undefined);
  }
}

const STALLED = new CcliError('no_coordinator', 'No task is under way, and no reply has come.');

const withWayBack = (error: CcliError, coordination_id: string): CcliError =>
  new CcliError(
    error.code,
    `${error.message} The tasks may go on: the same command with \`--id ${coordination_id}\` takes them up.`,
    { cause: error.cause },
  );
