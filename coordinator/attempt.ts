/**
 * One placed attempt, from this coordinator's side: ask its node until it has answered, hand over a long prompt,
 * stop it when somebody wants that. All of it may be repeated, by this coordinator or the next one.
 */
import { WIRE_VERSION } from '../protocol/codec.ts';
import type { RunReply, RunRequest } from '../protocol/control.ts';
import { errorFields, type Log } from '../protocol/daemon/log.ts';
import { CcliError, type ErrorBody } from '../protocol/errors.ts';
import { type Attempt, isTerminal, type TaskRequest } from '../protocol/task.ts';
import { judgeFailure } from './core/retry.ts';
import type { TaskEntry } from './mirror.ts';
import type { AttemptAddress, Nodes } from './nodes.ts';
import type { Steps } from './steps.ts';
import type { TaskStore } from './store.ts';

export interface AttemptCare {
  /**
   * Sends the run request of the current attempt to the daemon that now answers for its node.
   *
   * @returns whether the attempt is settled between us and the node: accepted, or given back to the queue. False when
   *   nobody answered.
   */
  ask(entry: TaskEntry, instance_id: string): Promise<boolean>;
  /** @returns whether the node confirmed that the attempt runs no more. False when nobody answered. */
  stop(entry: TaskEntry, attempt: Attempt, instance_id: string): Promise<boolean>;
  /** The attempt will not be heard of again: the next one, or the end. */
  giveUp(entry: TaskEntry, attempt: Attempt, error: ErrorBody, refused: boolean): Promise<void>;
}

interface CareOptions {
  readonly store: TaskStore;
  readonly nodes: Nodes;
  readonly steps: Steps;
  readonly epoch: number;
  readonly random: () => number;
  /** A newer coordinator plans now. */
  readonly onSuperseded: () => void;
  readonly log: Log;
}

export function createAttemptCare(options: CareOptions): AttemptCare {
  const { store, nodes, steps, log } = options;

  const runRequest = (request: TaskRequest, attempt: Attempt, instance_id: string): RunRequest => {
    const { model, timeout_ms, tool_policy } = request.options;
    return {
      v: WIRE_VERSION,
      task_id: request.task_id,
      attempt: attempt.attempt,
      agent_id: attempt.agent_id,
      instance_id,
      epoch: options.epoch,
      prompt: request.prompt,
      ...(model !== undefined && { model }),
      ...(timeout_ms !== undefined && { timeout_ms }),
      ...(tool_policy !== undefined && { tool_policy }),
    };
  };

  const handOverPrompt = async (address: AttemptAddress, missing: readonly number[]): Promise<void> => {
    for (const index of missing) {
      const bytes = await store.promptSlice(address.task_id, index);
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
        random: options.random(),
      });
      const step = verdict.again
        ? {
            step: 'requeue' as const,
            attempt: attempt.attempt,
            error,
            retry_after_ms: Math.round(verdict.after_ms),
          }
        : { step: 'fail' as const, attempt: attempt.attempt, error, partial: false };
      await steps.take(entry, step);
    });

  const onRefusal = async (entry: TaskEntry, attempt: Attempt, error: ErrorBody): Promise<void> => {
    log.info('attempt_refused', {
      task_id: entry.task_id,
      attempt: attempt.attempt,
      node: attempt.node,
      error_code: error.code,
    });
    if (error.code === 'stale_epoch') {
      options.onSuperseded();
      return;
    }
    if (error.code === 'attempt_refused' && entry.cancel_requested) {
      await steps.inTurn(entry.task_id, () => steps.take(entry, { step: 'cancel', stop_confirmed: true }));
      return;
    }
    await giveUp(entry, attempt, error, true);
  };

  return {
    giveUp,
    async ask(entry, instance_id) {
      const attempt = entry.state.attempts.at(-1);
      if (attempt === undefined || isTerminal(entry.state.status)) return true;
      const { node } = attempt;
      try {
        const found = await store.request(entry.task_id);
        if (found === undefined) throw new CcliError('task_unknown');
        const reply: RunReply = await nodes.run(node, runRequest(found.request, attempt, instance_id));
        // Another daemon answers for the node now, which its adverts will tell: ask that one.
        if (reply.answer === 'refused' && reply.error.code === 'wrong_instance') return false;
        if (reply.answer === 'refused') {
          await onRefusal(entry, attempt, reply.error);
          return true;
        }
        const address = { node, instance_id, task_id: entry.task_id, attempt: attempt.attempt };
        await handOverPrompt(address, reply.missing_slices);
        return true;
      } catch (error) {
        log.warn('node_not_asked', { task_id: entry.task_id, node, ...errorFields(error) });
        return false;
      }
    },
    async stop(entry, { node, attempt }, instance_id) {
      try {
        const { answer } = await nodes.cancel({ node, instance_id, task_id: entry.task_id, attempt });
        if (answer === 'unknown') {
          await steps.inTurn(entry.task_id, () =>
            steps.take(entry, { step: 'cancel', stop_confirmed: true }),
          );
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
