/**
 * Asks several agents for one call. Its parts are tasks that go on without it, so the wait may be over first: the answer
 * then names the coordination, and the same call with that name takes it up again. A call that is cancelled, or whose
 * client goes away, cancels the parts.
 */
import type { CoordinateReply, CoordinateRequest, Strategy } from '../../protocol/coordination.ts';
import { errorFields } from '../../protocol/daemon/log.ts';
import { CcliError, type ErrorCode, fromErrorBody } from '../../protocol/errors.ts';
import { cancelParts } from './cancel-parts.ts';
import { type CoordinationAnswer, coordinationAnswer } from './coordination-answer.ts';
import { contextFor, type McpDoor } from './door.ts';
import { patience } from './run-task.ts';
import type { Call } from './tool.ts';
import { watchParts } from './watch-parts.ts';

interface Wanted {
  readonly request: CoordinateRequest & { readonly coordination_id: string; readonly strategy: Strategy };
  readonly wait_ms: number;
}

export async function coordinate(
  door: McpDoor,
  { request, wait_ms }: Wanted,
  call: Call,
): Promise<CoordinationAnswer> {
  const { coordination_id } = request;
  // Nothing has been asked yet.
  if (call.signal.aborted) throw new CcliError('cancelled');
  const { until, clear } = patience(door, call, wait_ms);
  const over = new AbortController();
  call.progress.say(`coordination ${coordination_id} begins`);
  const watching = watchParts(door, coordination_id, call.progress, over.signal);
  const asking = ask(door, request);
  try {
    const reply = await earlier(asking, until);
    if (reply === undefined) {
      if (isCancelled(call)) return await giveUp(door, coordination_id, asking);
      leave(door, coordination_id, asking);
      const answer = await standing(door, request);
      return isCancelled(call) ? await giveUp(door, coordination_id, asking) : answer;
    }
    if (reply.status === 'failed') throw failed(reply);
    return coordinationAnswer(reply);
  } catch (error) {
    if (!isUnanswered(error)) throw error;
    if (isCancelled(call)) return await giveUp(door, coordination_id, asking);
    const text = `${error.message} The parts may go on: the same call with coordination_id "${coordination_id}" takes them up.`;
    throw new CcliError(error.code, text, { cause: error.cause });
  } finally {
    clear();
    over.abort();
    await watching;
  }
}

/** Read through a call: the compiler cannot see that an await changes it. */
const isCancelled = ({ signal }: Call): boolean => signal.aborted;

/** It outlasts the wait: a coordinator in this process goes on to the judge only for as long as it is waited for. */
async function ask(door: McpDoor, request: Wanted['request']): Promise<CoordinateReply> {
  // Of its own: what is derived from a signal is kept for as long as that one lives.
  const stopped = new AbortController();
  const stop = (): void => {
    stopped.abort(door.stopping.reason);
  };
  door.stopping.addEventListener('abort', stop, { once: true });
  if (door.stopping.aborted) stop();
  try {
    return await door.operations.coordinate(request, contextFor(door, stopped.signal));
  } finally {
    door.stopping.removeEventListener('abort', stop);
  }
}

/** Undefined when `until` aborts first: the work goes on. */
async function earlier<T>(work: Promise<T>, until: AbortSignal): Promise<T | undefined> {
  let onAbort = (): void => undefined;
  const aborted = new Promise<undefined>(resolve => {
    onAbort = () => {
      resolve(undefined);
    };
    until.addEventListener('abort', onAbort, { once: true });
    if (until.aborted) onAbort();
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    until.removeEventListener('abort', onAbort);
  }
}

/** Nobody waits for it any more; whoever makes the same call again hears of what it comes to. */
function leave(door: McpDoor, coordination_id: string, asking: Promise<CoordinateReply>): void {
  asking.catch((error: unknown) => {
    door.log.debug('mcp_coordination_unfinished', { coordination_id, ...errorFields(error) });
  });
}

/** Whether it broke off without a word of the parts, which may go on. */
const isUnanswered = (error: unknown): error is CcliError =>
  error instanceof CcliError && PASSING.has(error.code);

const PASSING: ReadonlySet<ErrorCode> = new Set(['no_coordinator', 'store_unavailable', 'nats_unreachable']);

async function giveUp(
  door: McpDoor,
  coordination_id: string,
  asking: Promise<CoordinateReply>,
): Promise<never> {
  const complete = asking.then(
    () => true,
    (error: unknown) => !isUnanswered(error),
  );
  await cancelParts(door, coordination_id, complete);
  throw new CcliError(
    'cancelled',
    `The call was cancelled, and with it the coordination ${coordination_id}.`,
  );
}

const MOST_PARTS = 100;

async function standing(
  door: McpDoor,
  { coordination_id, strategy }: Wanted['request'],
): Promise<CoordinationAnswer> {
  const context = contextFor(door, new AbortController().signal);
  const { tasks } = await door.operations.list({ group: coordination_id, limit: MOST_PARTS }, context);
  const parts = tasks.map(({ task_id, status, agent_id, error }) => ({
    task_id,
    status,
    ...(agent_id !== undefined && { agent_id }),
    ...(error !== undefined && { error }),
  }));
  const next = `Nothing is lost: make the same call again with coordination_id "${coordination_id}" and otherwise the same arguments to get the answer, or get_task for one part.`;
  const ended = tasks.filter(({ status }) => status === 'completed').length;
  return {
    structured: { coordination_id, strategy, status: 'running', parts, notes: [], next },
    text: [
      `Coordination ${coordination_id} is running: ${ended} of ${tasks.length} agents have answered. ${next}`,
    ],
  };
}

function failed({ error, coordination_id, parts }: CoordinateReply): CcliError {
  const each = parts.flatMap(part =>
    part.error === undefined ? [] : [`${part.agent_id}: ${part.error.code}: ${part.error.message}`],
  );
  const text = [
    error?.message ?? 'No agent has answered.',
    ...each,
    `(coordination ${coordination_id})`,
  ].join(' ');
  return error === undefined
    ? new CcliError('all_parts_failed', text)
    : fromErrorBody({ ...error, message: text });
}
