/**
 * One placed attempt, from this coordinator's side: ask its node until it has answered, hand over a long prompt,
 * stop it when somebody wants that. All of it may be repeated, by this coordinator or the next one.
 */
import { WIRE_VERSION } from '../protocol/codec.ts';
import type { RunReply, StopReason } from '../protocol/control.ts';
import { errorFields, type Log } from '../protocol/daemon/log.ts';
import { CcliError, type ErrorBody, toErrorBody } from '../protocol/errors.ts';
import { type Attempt, isTerminal, type TaskRequest, type TaskStep } from '../protocol/task.ts';
import type { Conversations, Prepared } from './conversation.ts';
import { judgeFailure } from './core/retry.ts';
import type { AttemptAddress, Nodes } from './nodes.ts';
import type { Steps } from './steps.ts';
import type { TaskStore } from './store.ts';
import type { TaskEntry } from './task-entry.ts';

type Refusal = Extract<RunReply, { answer: 'refused' }>;

/** What a node knows of an attempt that it had accepted. */
export type Recalled = 'under_way' | 'finished' | 'unknown' | 'unanswered';

export interface AttemptCare {
  /**
   * Sends the run request of the current attempt to the daemon that now answers for its node.
   *
   * @returns whether the attempt is settled between us and the node: accepted, or given back to the queue. False when
   *   nobody answered.
   */
  ask(entry: TaskEntry, instance_id: string): Promise<boolean>;
  /** Asks after an attempt that was accepted before, without ever beginning it anew. */
  recall(entry: TaskEntry, instance_id: string): Promise<Recalled>;
  /** @returns whether the node confirmed that the attempt runs no more. False when nobody answered. */
  stop(entry: TaskEntry, attempt: Attempt, instance_id: string, reason: StopReason): Promise<boolean>;
  /** The attempt will not be heard of again: the next one, or the end. */
  giveUp(entry: TaskEntry, attempt: Attempt, error: ErrorBody, refused: boolean): Promise<void>;
}

interface CareOptions {
  readonly store: TaskStore;
  readonly conversations: Conversations;
  /** Earlier tasks of its session, oldest first. */
  readonly earlier: (entry: TaskEntry) => readonly TaskEntry[];
  /** What an agent takes, as far as its adverts tell. */
  readonly maxPromptBytes: (node: string, agent_id: string) => number | undefined;
  readonly nodes: Nodes;
  readonly steps: Steps;
  /** Whether another member of the task's fallback chain could take it. */
  readonly elsewhere: (entry: TaskEntry) => boolean;
  readonly random: () => number;
  /** Milliseconds on the mirror's clock. */
  readonly clock: () => number;
  /** A node obeys a newer coordinator, of this epoch. */
  readonly onSuperseded: (epoch: number) => void;
  readonly log: Log;
}

/** A prompt of a session may still have its history put before it; what came as a conversation stays what it is. */
const asGiven = ({ prompt, conversation }: TaskRequest): Prepared => ({
  prompt,
  ...(conversation !== undefined && { conversation }),
});

export function createAttemptCare(options: CareOptions): AttemptCare {
  const { store, conversations, nodes, steps, clock, log } = options;

  const runRequest = (
    entry: TaskEntry,
    request: TaskRequest,
    attempt: Attempt,
    instance_id: string,
    { prompt, conversation }: Prepared = asGiven(request),
  ) => {
    const { model, timeout_ms, tool_policy, generation, cold } = request.options;
    const left_ms = deadlineLeft(entry, clock());
    return {
      v: WIRE_VERSION,
      task_id: request.task_id,
      attempt: attempt.attempt,
      seq: entry.seq,
      agent_id: attempt.agent_id,
      instance_id,
      prompt,
      ...(conversation !== undefined && { conversation }),
      ...(model !== undefined && { model }),
      ...(timeout_ms !== undefined && { timeout_ms }),
      ...(left_ms !== undefined && { deadline_ms: Math.max(1, Math.round(left_ms)) }),
      ...(tool_policy !== undefined && { tool_policy }),
      ...(generation !== undefined && { generation }),
      ...(cold !== undefined && { cold }),
    };
  };

  /**
   * Whether a newer coordinator of this fleet has taken over. A node that obeys another fleet says nothing about that:
   * it alone is of no use to us, until somebody clears its state directory.
   */
  const isSuperseded = ({ error, fleet_id }: Refusal): boolean =>
    error.code === 'stale_epoch' && (fleet_id === undefined || fleet_id === nodes.mandate().fleet_id);

  /** @throws CcliError `task_unknown` when it was purged meanwhile */
  const requestOf = async (entry: TaskEntry): Promise<TaskRequest> => {
    const found = await store.request(entry.task_id);
    if (found === undefined) throw new CcliError('task_unknown');
    return found.request;
  };

  /** Undefined while it is not known how long a conversation its agent takes. */
  const prepare = async (
    entry: TaskEntry,
    request: TaskRequest,
    { node, agent_id, attempt }: Attempt,
  ): Promise<Prepared | undefined> => {
    const earlier = entry.options.session_id === undefined ? [] : options.earlier(entry);
    if (earlier.length === 0 || request.conversation === true) return asGiven(request);
    const limit_bytes = options.maxPromptBytes(node, agent_id);
    if (limit_bytes === undefined) return undefined;
    return await conversations.prepare(entry, request, attempt, earlier, limit_bytes);
  };

  const handOverPrompt = async (
    address: AttemptAddress,
    request: TaskRequest,
    prepared: Prepared,
    missing: readonly number[],
  ): Promise<void> => {
    for (const index of missing) {
      const { slices } = prepared;
      const bytes = slices === undefined ? await store.promptSlice(request, index) : slices[index];
      if (bytes === undefined)
        throw new CcliError('slices_incomplete', `Slice ${index} of the prompt is gone.`);
      await nodes.slice(address, index, bytes);
    }
  };

  const giveUp: AttemptCare['giveUp'] = (entry, attempt, error, refused) =>
    steps.inTurn(entry.task_id, async () => {
      const { attempts } = entry.state;
      if (attempts.at(-1)?.attempt !== attempt.attempt) return;
      const verdict = judgeFailure({
        error,
        refused,
        attempts,
        options: entry.options,
        elsewhere: () => options.elsewhere(entry),
        random: options.random(),
      });
      const step: TaskStep = verdict.again
        ? {
            step: 'requeue',
            attempt: attempt.attempt,
            error,
            retry_after_ms: Math.round(verdict.after_ms),
            refused: verdict.refusal,
          }
        : { step: 'fail', attempt: attempt.attempt, error, partial: false };
      await steps.take(entry, step);
    });

  const onRefusal = async (entry: TaskEntry, attempt: Attempt, reply: Refusal): Promise<void> => {
    const { error } = reply;
    log.info('attempt_refused', {
      task_id: entry.task_id,
      attempt: attempt.attempt,
      node: attempt.node,
      error_code: error.code,
    });
    if (isSuperseded(reply)) {
      options.onSuperseded(reply.epoch ?? 0);
      return;
    }
    if (error.code === 'attempt_refused' && entry.cancel_requested) {
      await steps.inTurn(entry.task_id, () => steps.take(entry, { step: 'cancel', stop_confirmed: true }));
      return;
    }
    await giveUp(entry, attempt, error, true);
  };

  const recall: AttemptCare['recall'] = async (entry, instance_id) => {
    const attempt = entry.state.attempts.at(-1);
    if (attempt === undefined || isTerminal(entry.state.status)) return 'under_way';
    try {
      const request = await requestOf(entry);
      const asked = { ...runRequest(entry, request, attempt, instance_id), known_only: true as const };
      const reply = await nodes.run(attempt.node, asked);
      if (reply.answer === 'accepted') return reply.phase === 'finished' ? 'finished' : 'under_way';
      if (isSuperseded(reply)) options.onSuperseded(reply.epoch ?? 0);
      const gone = reply.error.code === 'attempt_unknown' || reply.error.code === 'attempt_refused';
      return gone ? 'unknown' : 'unanswered';
    } catch (error) {
      log.warn('node_not_asked', { task_id: entry.task_id, node: attempt.node, ...errorFields(error) });
      return 'unanswered';
    }
  };

  /**
   * Its agent may not be asked any more the way it can be now. Whether it had heard of the attempt before is not known
   * here; what it says it never heard of, it will never begin.
   */
  const withdraw = async (
    entry: TaskEntry,
    attempt: Attempt,
    instance_id: string,
    error: CcliError,
  ): Promise<boolean> => {
    const known = await recall(entry, instance_id);
    if (known === 'unknown') await giveUp(entry, attempt, toErrorBody(error), true);
    return known !== 'unanswered';
  };

  return {
    giveUp,
    async ask(entry, instance_id) {
      const attempt = entry.state.attempts.at(-1);
      if (attempt === undefined || isTerminal(entry.state.status)) return true;
      const { node, agent_id } = attempt;
      try {
        const request = await requestOf(entry);
        const prepared = await prepare(entry, request, attempt);
        if (prepared === undefined) return false;
        const asked = runRequest(entry, request, attempt, instance_id, prepared);
        const reply = await nodes.run(node, asked);
        // Another daemon answers for the node now, which its adverts will tell: ask that one.
        if (reply.answer === 'refused' && reply.error.code === 'wrong_instance') return false;
        if (reply.answer === 'refused') {
          await onRefusal(entry, attempt, reply);
          return !isSuperseded(reply);
        }
        const address = { node, agent_id, instance_id, task_id: entry.task_id, attempt: attempt.attempt };
        await handOverPrompt(address, request, prepared, reply.missing_slices);
        return true;
      } catch (error) {
        log.warn('node_not_asked', { task_id: entry.task_id, node, ...errorFields(error) });
        if (!(error instanceof CcliError) || error.code !== 'ssh_not_allowed') return false;
        return await withdraw(entry, attempt, instance_id, error);
      }
    },
    recall,
    async stop(entry, { node, agent_id, attempt }, instance_id, reason) {
      try {
        const address = { node, agent_id, instance_id, task_id: entry.task_id, attempt };
        const { answer } = await nodes.cancel(address, reason);
        if (answer === 'unknown') {
          await steps.inTurn(entry.task_id, () => steps.take(entry, stepAfterStop(reason, attempt, true)));
        }
        // Otherwise the node's own report tells how it ended: it may have been faster than the cancel.
        return true;
      } catch (error) {
        log.warn('node_not_stopped', { task_id: entry.task_id, node, ...errorFields(error) });
        return false;
      }
    },
  };
}

/** What remains of a task's own deadline; undefined when it has none. */
export const deadlineLeft = (
  { options, accepted_since_ms }: TaskEntry,
  now_ms: number,
): number | undefined =>
  options.deadline_ms === undefined ? undefined : accepted_since_ms + options.deadline_ms - now_ms;

/** How a task ends whose attempt was stopped for this reason, when no report is going to tell. */
export const stepAfterStop = (reason: StopReason, attempt: number, stop_confirmed: boolean): TaskStep =>
  reason === 'cancelled'
    ? { step: 'cancel', stop_confirmed }
    : { step: 'fail', attempt, error: toErrorBody(new CcliError('deadline_passed')), partial: false };
