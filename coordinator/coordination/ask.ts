/** One task from its submit to its end, or until it is no longer waited for. */
import { limitedSignal } from '../../protocol/daemon/limited-signal.ts';
import { CcliError, type ErrorBody, toErrorBody } from '../../protocol/errors.ts';
import { CANCEL_WAIT_MS, MAX_TIMEOUT_MS, MAX_WAIT_MS } from '../../protocol/limits.ts';
import type { SubmitRequest, TaskView } from '../../protocol/operation.ts';
import { isTerminal } from '../../protocol/task.ts';
import type { PlannedPart } from './plan.ts';
import { again, type Tools } from './tools.ts';

export interface Asked {
  readonly part: PlannedPart;
  /** As last seen; absent when it was not accepted. */
  readonly view?: TaskView;
  /** Why there is no view, or none of its end. */
  readonly error?: ErrorBody;
  /** Why it was cancelled here. */
  readonly stopped?: 'enough' | 'budget';
}

interface Question {
  readonly part: PlannedPart;
  readonly prompt: string;
  readonly deadline_ms: number;
  /** Set when the caller has named a budget: then that, and not the agent's default, is what an attempt may take. */
  readonly timeout_ms: number | undefined;
}

/** @throws CcliError `idempotency_conflict` when the id belongs to another request */
export async function submitPart(tools: Tools, question: Question, signal: AbortSignal): Promise<Asked> {
  const { operations, context, coordination_id, asked, left } = tools;
  const { part, prompt, deadline_ms, timeout_ms } = question;
  const request: SubmitRequest = {
    task_id: part.task_id,
    prompt,
    agent_id: part.choice.agent_id,
    // A chain of one: the fleet's own chains would turn an answer of this agent into another one of somebody else.
    fallback: [part.choice.agent_id],
    group: coordination_id,
    coordination: asked,
    deadline_ms,
    ...(timeout_ms !== undefined && { timeout_ms: Math.min(timeout_ms, MAX_TIMEOUT_MS) }),
  };
  try {
    const view = await again(() => operations.submit(request, { ...context, signal }), left, signal);
    return { part, view };
  } catch (error) {
    if (error instanceof CcliError && error.code === 'idempotency_conflict') throw error;
    // One that is there already goes on whatever became of this.
    return { part, error: toErrorBody(error), ...(part.found !== undefined && { view: part.found }) };
  }
}

/** The end, or how it stands when `left` is over or `signal` aborts. */
export async function awaitEnd(
  tools: Tools,
  asked: Asked,
  left: () => number,
  signal: AbortSignal,
): Promise<Asked> {
  const { operations, context } = tools;
  const { task_id } = asked.part;
  let { view } = asked;
  if (view === undefined) return asked;
  try {
    while (!isTerminal(view.status) && left() > 0 && !signal.aborted) {
      const wait_ms = Math.ceil(Math.min(MAX_WAIT_MS, left()));
      view = await again(() => operations.get({ task_id, wait_ms }, { ...context, signal }), left, signal);
    }
    return { ...asked, view };
  } catch (error) {
    return { ...asked, view, error: toErrorBody(error) };
  }
}

/** Shortest that a cancel is waited for, however little of the budget is left. */
const LEAST_CANCEL_MS = 2_000;

/** The cancel itself is durable once it is taken; the wait is for the node's word that the attempt has ended. */
export async function stopPart(tools: Tools, asked: Asked, why: 'enough' | 'budget'): Promise<Asked> {
  const { operations, context, left } = tools;
  const { view, part } = asked;
  if (view === undefined || isTerminal(view.status)) return asked;
  const patience_ms = Math.ceil(Math.min(CANCEL_WAIT_MS, Math.max(LEAST_CANCEL_MS, left())));
  const { signal, clear } = limitedSignal([context.signal], patience_ms);
  try {
    const after = await operations.cancel({ task_id: part.task_id }, { ...context, signal });
    return { ...asked, view: after, stopped: why };
  } catch (error) {
    return { ...asked, error: toErrorBody(error), stopped: why };
  } finally {
    clear();
  }
}
