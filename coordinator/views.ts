/** Tasks, agents and nodes as callers see them. */
import type { ErrorBody } from '../protocol/errors.ts';
import type { AgentView, NodeView, TaskSummary, TaskView } from '../protocol/operation.ts';
import type { Attempt, TaskResult, TaskState } from '../protocol/task.ts';
import { type Candidate, wayBarred } from './core/placement.ts';
import type { NodeSight } from './fleet.ts';
import type { TaskEntry } from './task-entry.ts';

/** What stands beside the entry. */
interface Beside {
  readonly result?: TaskResult | undefined;
  readonly waiting_for?: string | undefined;
  readonly suspect?: boolean;
}

export function taskView(entry: TaskEntry, { result, waiting_for, suspect = false }: Beside = {}): TaskView {
  const { state } = entry;
  const attempt = shownAttempt(state);
  return {
    task_id: entry.task_id,
    status: state.status,
    caller: entry.caller,
    prompt_bytes: entry.prompt_bytes,
    options: entry.options,
    ...(attempt !== undefined && { agent_id: attempt.agent_id, node: attempt.node }),
    ...(attempt !== undefined && { transport: attempt.transport ?? 'nats' }),
    ...(waiting_for !== undefined && { waiting_for }),
    ...(suspect && { suspect }),
    attempts: state.attempts,
    ...(state.error !== undefined && { error: state.error }),
    ...(result !== undefined && answerOf(result)),
    ...(attempt?.fallback !== undefined && { fallback: attempt.fallback }),
    ...(state.stop_confirmed !== undefined && { stop_confirmed: state.stop_confirmed }),
    created_at_ms: entry.created_at_ms,
    updated_at_ms: Math.max(state.updated_at_ms, entry.created_at_ms),
  };
}

/** The attempt that the answer is of, or else the last one. */
export const shownAttempt = ({ attempts, result_attempt }: TaskState): Attempt | undefined =>
  attempts.find(({ attempt }) => attempt === result_attempt) ?? attempts.at(-1);

const answerOf = (result: TaskResult): Partial<TaskView> => ({
  ...('inline' in result.text ? { response: result.text.inline } : { response_ref: result.text.ref }),
  completeness: result.completeness,
  execution_time_ms: result.run_ms,
  warm: result.warm,
  ...(result.first_chunk_ms !== undefined && { first_chunk_ms: result.first_chunk_ms }),
  ...(result.usage !== undefined && { usage: result.usage }),
  ...(result.model !== undefined && { model: result.model }),
  ...(result.load_ms !== undefined && { load_ms: result.load_ms }),
  ...(result.cli_version !== undefined && { cli_version: result.cli_version }),
});

export function taskSummary(entry: TaskEntry): TaskSummary {
  const {
    task_id,
    status,
    caller,
    prompt_bytes,
    agent_id,
    node,
    error,
    created_at_ms,
    updated_at_ms,
    attempts,
  } = taskView(entry);
  return {
    task_id,
    status,
    caller,
    prompt_bytes,
    ...(agent_id !== undefined && { agent_id }),
    ...(node !== undefined && { node }),
    ...(error !== undefined && { error: brief(error) }),
    created_at_ms,
    updated_at_ms,
    attempts: attempts.length,
  };
}

/** A page of summaries must fit a message; the task itself has the whole error. */
const brief = ({ cause: _cause, ...error }: ErrorBody): ErrorBody => ({
  ...error,
  message: error.message.slice(0, 300),
});

export function agentView(candidate: Candidate): AgentView {
  const { status, node, alive, contested, draining, full, used, registration, allowed } = candidate;
  const { transport, ssh_fallback } = candidate;
  const reached = alive && !contested && wayBarred(candidate) === undefined;
  const usable = allowed && reached && !draining && !full && status.enabled && status.health === 'ready';
  return {
    ...status,
    running: used,
    node,
    alive,
    draining,
    registration,
    allowed,
    ...(transport !== undefined && { transport }),
    ...(ssh_fallback !== undefined && { ssh_fallback }),
    endpoint: status.endpoint ?? `cli://${node}`,
    available: usable && (status.cooldown_ms ?? 0) === 0 && used < status.max_concurrent,
  };
}

export function nodeView({ advert, alive, contested, silent_ms, transport }: NodeSight): NodeView {
  const { v: _version, agents, running, ...rest } = advert;
  return {
    ...rest,
    alive,
    contested,
    ...(transport !== undefined && { transport }),
    silent_ms,
    agents: agents.length,
    running: running.length,
    slots: agents.reduce((sum, agent) => sum + agent.max_concurrent, 0),
  };
}
