/**
 * What to do next with the queued tasks: pure, from a snapshot. Each activation looks at everything afresh, so an
 * event that was missed costs a tick and never a task.
 */
import { ERRORS, type ErrorBody } from '../../protocol/errors.ts';
import {
  type Candidate,
  compareCandidates,
  type Demand,
  describeChoice,
  type Fit,
  fitOf,
  noFit,
} from './placement.ts';

export interface QueuedTask extends Demand {
  readonly task_id: string;
  /** Order of arrival: the revision of its request. */
  readonly seq: number;
  /** Why the last attempt failed. */
  readonly last_error: ErrorBody | undefined;
  /** The number its next attempt will have. */
  readonly attempt: number;
  /** Agents on which an earlier attempt did not succeed: others go first. */
  readonly tried: readonly string[];
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
}

export type Action =
  | {
      readonly action: 'assign';
      readonly task_id: string;
      readonly attempt: number;
      readonly candidate: Candidate;
      readonly why: string;
    }
  | { readonly action: 'fail'; readonly task_id: string; readonly error: ErrorBody }
  | { readonly action: 'wait'; readonly task_id: string; readonly why: string };

/** Larger priority first, then in order of arrival. */
const byTurn = (a: QueuedTask, b: QueuedTask): number =>
  (b.options.priority ?? 0) - (a.options.priority ?? 0) || a.seq - b.seq;

export function plan(snapshot: Snapshot): Action[] {
  const taken = new Map<string, number>();
  const withTaken = (candidate: Candidate): Candidate => ({
    ...candidate,
    used: candidate.used + (taken.get(slotOf(candidate)) ?? 0),
  });
  const smallest_limit = snapshot.candidates.reduce(
    (least, { status }) => Math.min(least, status.max_prompt_bytes),
    Number.POSITIVE_INFINITY,
  );
  // Tasks that ask for the same find the same agents: once one of them finds none free, the others need not look.
  const exhausted = new Map<string, string>();
  const actions: Action[] = [];
  for (const task of [...snapshot.queued].sort(byTurn)) {
    const { task_id } = task;
    const shape = shapeOf(task, smallest_limit);
    const known = exhausted.get(shape);
    if (task.deadline_left_ms !== undefined && task.deadline_left_ms <= 0) {
      actions.push({ action: 'fail', task_id, error: deadlinePassed(task) });
      continue;
    }
    const expired = task.options.max_queue_ms !== undefined && task.waited_ms >= task.options.max_queue_ms;
    if (task.pause_ms > 0 && !expired) {
      actions.push({ action: 'wait', task_id, why: 'a pause after the last attempt' });
      continue;
    }
    if (known !== undefined && !expired) {
      actions.push({ action: 'wait', task_id, why: known });
      continue;
    }
    const decided = decide(task, snapshot.candidates.map(withTaken), expired);
    actions.push(decided);
    if (decided.action === 'wait') exhausted.set(shape, decided.why);
    if (decided.action === 'assign') {
      const slot = slotOf(decided.candidate);
      taken.set(slot, (taken.get(slot) ?? 0) + 1);
    }
  }
  return actions;
}

/**
 * A task that no agent takes now waits, and says for what: an accepted task does not fail because a node is down, an
 * agent is signed out, or this coordinator has just started. Only its own `max_queue_ms` ends the wait.
 */
function decide(task: QueuedTask, candidates: readonly Candidate[], expired: boolean): Action {
  const { task_id } = task;
  const fits = candidates.map(candidate => ({ candidate, fit: fitOf(candidate, task) }));
  const free = fits.filter(({ fit }) => fit.fit === 'free').map(({ candidate }) => candidate);
  const tried = ({ status }: Candidate): number => Number(task.tried.includes(status.agent_id));
  const [best] = free.sort((a, b) => tried(a) - tried(b) || compareCandidates(a, b));
  if (best !== undefined && !expired) {
    const why = describeChoice(best, free.length);
    return { action: 'assign', task_id, attempt: task.attempt, candidate: best, why };
  }
  if (best !== undefined) {
    const { retryable } = ERRORS.slots_taken;
    return {
      action: 'fail',
      task_id,
      error: { code: 'slots_taken', message: 'It waited as long as it may.', retryable },
    };
  }
  const reason = reasonToWait(fits.map(({ fit }) => fit)) ?? noFit(task, candidates);
  if (!expired) return { action: 'wait', task_id, why: reason.message };
  return {
    action: 'fail',
    task_id,
    error: { ...reason, message: `It waited as long as it may. ${reason.message}` },
  };
}

/** Why a task is not running, for whoever does not plan it. */
export function whyWaiting(task: QueuedTask, candidates: readonly Candidate[]): string | undefined {
  const [action] = plan({ queued: [task], candidates });
  return action?.action === 'wait' ? action.why : undefined;
}

/** A task that failed before tells of that too: the deadline alone would hide why it took so long. */
const deadlinePassed = ({ last_error }: QueuedTask): ErrorBody => {
  const { says, retryable } = ERRORS.deadline_passed;
  const before =
    last_error === undefined ? '' : ` The last attempt failed: ${last_error.message.slice(0, 500)}`;
  return { code: 'deadline_passed', message: `${says}${before}`, retryable };
};

const reasonToWait = (fits: readonly Fit[]): ErrorBody | undefined => {
  const cooling = fits.flatMap(fit => (fit.fit === 'cooling' ? [fit] : []));
  const [earliest] = cooling.sort((a, b) => a.left_ms - b.left_ms);
  const others = fits.filter(fit => fit.fit === 'busy' || fit.fit === 'away');
  if (earliest !== undefined && others.length === 0) return earliest.why;
  for (const kind of ['busy', 'cooling', 'away', 'broken'] as const) {
    const found = fits.find(fit => fit.fit === kind);
    if (found !== undefined && found.fit !== 'free') return found.why;
  }
  return undefined;
};

const slotOf = ({ node, status }: Candidate): string => `${node}/${status.agent_id}`;

const shapeOf = ({ options, prompt_bytes }: QueuedTask, smallest_limit: number): string => {
  const { agent_id, agent_type, specialty, model, labels } = options;
  // Prompts small enough for every agent look alike; a longer one is looked at by itself.
  const size = prompt_bytes > smallest_limit ? prompt_bytes : 0;
  return JSON.stringify([agent_id, agent_type, specialty, model, labels, size]);
};
