/** Whether an attempt's error is the work of a fault that was injected: on its own tool, its agent, its node, its time. */
import type { ErrorCode } from '../../protocol/errors.ts';
import type { Evidence, StoredAttempt, StoredTask } from './evidence.ts';
import type { RunKind, Target, WorldFault } from './kinds.ts';

/** How long after it was over a fault may still show: a node is given up, a report comes late, a bus reconnects. */
const AFTERMATH_MS = 15_000;
/** Clocks of nats-server and tools are one; what they write is not written at the same instant. */
const SLACK_MS = 2_000;
/** How long an agent may stay on its cooldown. */
const COOLDOWN_MS = 120_000;

interface Window {
  readonly from_ms: number;
  readonly to_ms: number;
}

export interface FailedAttempt {
  readonly task: StoredTask;
  readonly attempt: StoredAttempt;
  readonly code: ErrorCode;
}

export function isExplained(failed: FailedAttempt, evidence: Evidence): boolean {
  const { task, attempt, code } = failed;
  const window = windowOf(task, attempt.attempt);
  const lane = evidence.lanes[task.n];
  const shared = lane === 'acp';
  const by = lane === 'gemini_warm' || lane === 'gemini_cold' ? 'model' : attempt.agent_id;

  const own = (...kinds: readonly RunKind[]): boolean =>
    evidence.runs.some(
      run =>
        run.n === task.n &&
        run.by === by &&
        kinds.includes(run.kind) &&
        within(run.at_ms, window, SLACK_MS, SLACK_MS),
    );
  /** What another task did to the process that both were in. */
  const neighbour = (...kinds: readonly RunKind[]): boolean =>
    shared &&
    evidence.runs.some(
      run => run.by === by && kinds.includes(run.kind) && within(run.at_ms, window, AFTERMATH_MS, SLACK_MS),
    );
  /** The model limits every agent that asks it; an agent that was told so is on a cooldown. */
  const model = (kind: RunKind): boolean =>
    by === 'model' &&
    evidence.runs.some(
      run => run.by === by && run.kind === kind && within(run.at_ms, window, COOLDOWN_MS, SLACK_MS),
    );
  const hit = (targets: readonly Target[], kinds: readonly WorldFault[], aftermath_ms: number): boolean =>
    evidence.faults.some(
      fault =>
        kinds.includes(fault.kind) &&
        targets.includes(fault.target) &&
        fault.from_ms <= window.to_ms + SLACK_MS &&
        fault.to_ms >= window.from_ms - aftermath_ms,
    );
  const node = NODE_TARGETS.filter(target => target === attempt.node);

  switch (code) {
    case 'cli_crashed':
    case 'reply_truncated':
      return own('crash') || neighbour('crash', 'hang', 'garbage');
    case 'cli_garbled':
      // One that crashes may do so in the middle of a character.
      return own('garbage', 'crash') || neighbour('garbage');
    case 'empty_reply':
      return own('empty');
    case 'cli_silent':
    case 'task_timeout':
      // A daemon that stood still finds its tools' clocks run out.
      return own('hang') || neighbour('hang') || hit(node, ['node_paused', 'clock_stepped'], SLACK_MS);
    case 'rate_limited':
    case 'quota_exhausted':
      return own('limited') || model('limited');
    case 'model_unavailable':
      return own('overloaded') || model('overloaded');
    case 'agent_restarted':
      return hit(node, ['node_killed'], SLACK_MS);
    case 'node_lost':
      return (
        hit(node, ['node_killed', 'node_paused', 'node_cut_off', 'acks_lost', 'clock_stepped'], SLACK_MS) ||
        hit(['nats'], ['nats_killed', 'nats_restarted', 'nats_paused'], SLACK_MS)
      );
    case 'slots_taken':
    case 'agent_starting':
    case 'wrong_instance':
    case 'attempt_refused':
    case 'attempt_unknown':
      // A node's refusals: it, or whoever asked it, has lost the thread.
      return hit(node, EVERY_KIND, AFTERMATH_MS) || hit(BUS, EVERY_KIND, AFTERMATH_MS);
    default:
      return false;
  }
}

const NODE_TARGETS: readonly Target[] = ['walnut', 'ironwood', 'hornbeam'];
const BUS: readonly Target[] = ['nats', 'coordinator-1', 'coordinator-2'];
const EVERY_KIND: readonly WorldFault[] = [
  'coordinator_killed',
  'coordinator_paused',
  'coordinator_cut_off',
  'node_killed',
  'node_paused',
  'node_cut_off',
  'nats_killed',
  'nats_restarted',
  'nats_paused',
  'acks_lost',
  'clock_stepped',
];

/** From the write that assigned the attempt to the write that has its error. */
function windowOf(task: StoredTask, attempt: number): Window {
  const of = (state: StoredTask['states'][number]): StoredAttempt | undefined =>
    state.attempts.find(one => one.attempt === attempt);
  const first = task.states.find(state => of(state) !== undefined);
  const last = task.states.find(state => of(state)?.error_code !== undefined);
  // The oldest writes of a long history are gone: then it began some time after the task did.
  const from_ms = first === undefined || first === task.states[0] ? task.created_at_ms : first.at_ms;
  return { from_ms, to_ms: last?.at_ms ?? task.states.at(-1)?.at_ms ?? from_ms };
}

const within = (at_ms: number, window: Window, before_ms: number, after_ms: number): boolean =>
  at_ms >= window.from_ms - before_ms && at_ms <= window.to_ms + after_ms;
