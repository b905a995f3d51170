/**
 * What to do next with the queued tasks: pure, from a snapshot. Each activation looks at everything afresh, so an
 * event that was missed costs a tick and never a task.
 */
import { ERRORS, type ErrorBody } from '../../protocol/errors.ts';
import type { Considered } from '../../protocol/placement.ts';
import type { Attempt } from '../../protocol/task.ts';
import { type Chosen, choose, type Wanted } from './choose.ts';
import { type Consideration, consider, describeChoice } from './consider.ts';
import { createTurns, type Prospect } from './fairness.ts';
import { type Candidate, why } from './placement.ts';
import { createPool, type Pool, type View } from './pool.ts';
import { createShares, type Running, type Served } from './share.ts';

export interface QueuedTask extends Wanted {
  readonly task_id: string;
  readonly caller: string;
  /** Order of arrival: the revision of its request. */
  readonly seq: number;
  /** Why the last attempt failed. */
  readonly last_error: ErrorBody | undefined;
  /** The number its next attempt will have. */
  readonly attempt: number;
  /** Since this coordinator first saw it queued. */
  readonly waited_ms: number;
  /** What remains of a pause after a failure. */
  readonly pause_ms: number;
  /** What remains until the task's own deadline; undefined when it has none. */
  readonly deadline_left_ms: number | undefined;
}

export interface Snapshot {
  readonly queued: readonly QueuedTask[];
  readonly candidates: readonly Candidate[];
  /** The tasks that run, or are about to. */
  readonly running: readonly Running[];
  /** As far as is known; of each caller and agent the last time alone. */
  readonly served: readonly Served[];
}

export type Action =
  | {
      readonly action: 'assign';
      readonly task_id: string;
      readonly attempt: number;
      /** As it stood at that moment. */
      readonly candidate: Candidate;
      readonly why: string;
      readonly fallback: Attempt['fallback'];
      readonly considered: Considered[];
      readonly left_out: number;
    }
  | { readonly action: 'fail'; readonly task_id: string; readonly error: ErrorBody }
  | { readonly action: 'wait'; readonly task_id: string; readonly why: string };

/** It gets no agent in this plan. */
type Settled = Exclude<Action, { action: 'assign' }>;

export function plan({ queued, candidates, running, served }: Snapshot): Action[] {
  const pool = createPool(candidates);
  const shares = createShares({ running, served }, pool);
  const first_turns = firstOfSessions(queued);
  const actions: Action[] = [];
  const turns = createTurns(queued, (task): Placeable | undefined => {
    const found = decide(task, pool, first_turns);
    if (!('action' in found)) return { ...found, share: shares.of(task.caller, found.chosen.rivals) };
    actions.push(found);
    return undefined;
  });
  for (let turn = turns.next(); turn !== undefined; turn = turns.next()) {
    const { task, prospect } = turn;
    actions.push(assign(task, pool, prospect));
    shares.add(task.caller, prospect.chosen.seat);
  }
  return actions;
}

interface Found {
  readonly view: View;
  readonly chosen: Chosen;
}

type Placeable = Found & Prospect;

/**
 * A task that no agent takes now waits, and says for what: an accepted task does not fail because a node is down, an
 * agent is signed out, or this coordinator has just started. Only its own limits end the wait.
 */
function decide(task: QueuedTask, pool: Pool, first_turns: ReadonlyMap<string, number>): Settled | Found {
  const { task_id } = task;
  if (task.deadline_left_ms !== undefined && task.deadline_left_ms <= 0)
    return { action: 'fail', task_id, error: deadlinePassed(task) };
  const expired = task.options.max_queue_ms !== undefined && task.waited_ms >= task.options.max_queue_ms;
  if (task.pause_ms > 0 && !expired)
    return { action: 'wait', task_id, why: 'a pause after the last attempt' };
  if (!isItsTurn(task, first_turns)) return wait(task, SESSION_BUSY, expired);
  const view = pool.view(task);
  const unbound = task.tried.length === 0 && task.session?.agent === undefined;
  if (unbound && !expired && view.waits !== undefined) return { action: 'wait', task_id, why: view.waits };
  const choice = choose(task, pool, view);
  if (choice.choice === 'take') return expired ? wait(task, undefined, true) : { view, chosen: choice };
  // What speaks of this prompt's size is not true of another.
  if (unbound && choice.why.code !== 'prompt_too_large') view.waits = choice.why.message;
  return wait(task, choice.why, expired);
}

function assign(task: QueuedTask, pool: Pool, { view, chosen }: Found): Action {
  const { seat, standing, passed } = chosen;
  const { considered, left_out, rivals }: Consideration = consider(task, pool, view, { chosen });
  const candidate = { ...seat.candidate, used: seat.used };
  seat.used += 1;
  return {
    action: 'assign',
    task_id: task.task_id,
    attempt: task.attempt,
    candidate,
    why: describeChoice(chosen, rivals),
    fallback: passed === undefined ? undefined : { position: standing.position, why: passed },
    considered,
    left_out,
  };
}

const SESSION_BUSY = why('slots_taken', 'An earlier turn of its session has not ended.');

function wait({ task_id }: QueuedTask, reason: ErrorBody | undefined, expired: boolean): Settled {
  if (!expired && reason !== undefined) return { action: 'wait', task_id, why: reason.message };
  const told = 'It waited as long as it may.';
  const error =
    reason === undefined ? why('slots_taken', told) : { ...reason, message: `${told} ${reason.message}` };
  return { action: 'fail', task_id, error };
}

const sessionOf = ({ caller, options }: QueuedTask): string | undefined =>
  options.session_id === undefined ? undefined : `${caller}/${options.session_id}`;

/** The oldest queued task of each session. */
function firstOfSessions(queued: readonly QueuedTask[]): Map<string, number> {
  const first = new Map<string, number>();
  for (const task of queued) {
    const session = sessionOf(task);
    if (session !== undefined) first.set(session, Math.min(task.seq, first.get(session) ?? task.seq));
  }
  return first;
}

const isItsTurn = (task: QueuedTask, first_turns: ReadonlyMap<string, number>): boolean => {
  const session = sessionOf(task);
  return (
    session === undefined || (task.session?.earlier_pending !== true && first_turns.get(session) === task.seq)
  );
};

/** A task that failed before tells of that too: the deadline alone would hide why it took so long. */
const deadlinePassed = ({ last_error }: QueuedTask): ErrorBody => {
  const { says } = ERRORS.deadline_passed;
  const before =
    last_error === undefined ? '' : ` The last attempt failed: ${last_error.message.slice(0, 500)}`;
  return why('deadline_passed', `${says}${before}`);
};

/** How the agents stand to one queued task, for whoever asks while it waits. */
export interface Outlook {
  /** Undefined when nothing keeps it: the next plan places it. */
  readonly waits: string | undefined;
  readonly considered: Considered[];
  readonly left_out: number;
}

export function lookAhead(task: QueuedTask, candidates: readonly Candidate[]): Outlook {
  const [action] = plan({ queued: [task], candidates, running: [], served: [] });
  if (action?.action === 'assign')
    return { waits: undefined, considered: action.considered, left_out: action.left_out };
  const waits = action?.action === 'wait' ? action.why : (action?.error.message ?? '');
  const pool = createPool(candidates);
  const { considered, left_out } = consider(task, pool, pool.view(task), { waits });
  return { waits, considered, left_out };
}
