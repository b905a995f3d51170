/** CLI agents at work, each in its only slot, again and again: at their worst, or as they should. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '../../../coordinator/cli/client.ts';
import { newTaskId } from '../../../coordinator/cli/task-id.ts';
import { submitPrompt } from '../../../coordinator/stream/transfer.ts';
import { waitForEnd } from '../../../coordinator/stream/wait-for-end.ts';
import { CcliError } from '../../../protocol/errors.ts';
import type { TaskOptions } from '../../../protocol/task.ts';
import { CALLER } from '../fleet.ts';
import { goodPrompt, KINDS } from './kinds.ts';
import type { Pace } from './pace.ts';

/** Of a kind so slow that none of it has ended during a batch yet. */
const UNKNOWN_PACE_MS = 3_500;

export interface Trouble {
  /** Resolves once nothing of it runs any more. */
  stop(): Promise<void>;
}

interface TroubleOptions {
  /** Absent: they misbehave as fast as they can. Present: they are well, and start no more often than this tells. */
  readonly allowed?: Pace;
  /** Is told of each run. */
  readonly pace: Pace;
  readonly signal: AbortSignal;
}

export function startTrouble(client: Client, { allowed, pace, signal }: TroubleOptions): Trouble {
  const wanted = allowed === undefined ? 'failed' : 'completed';
  const context = { caller: CALLER, signal };
  let stopped = false;
  const again = async (agent_id: string): Promise<void> => {
    const { prompt = '', timeout_ms } =
      allowed === undefined ? (KINDS.get(agent_id) ?? {}) : { prompt: goodPrompt(agent_id) };
    const options: TaskOptions = {
      agent_id,
      max_attempts: 1,
      ...(timeout_ms !== undefined && { timeout_ms }),
    };
    while (!stopped) {
      const task_id = newTaskId();
      const began = performance.now();
      await submitPrompt(client.operations, { task_id, prompt, options }, context);
      const view = await waitForEnd(client.operations, { task_id, ...context });
      if (view.status !== wanted) throw new CcliError('internal', `A task of ${agent_id} ${view.status}.`);
      const rest_ms =
        allowed === undefined
          ? 0
          : (allowed.mean_ms()[agent_id] ?? UNKNOWN_PACE_MS) - (performance.now() - began);
      if (rest_ms > 0) await delay(rest_ms, undefined, { signal });
      pace.add(agent_id, performance.now() - began);
    }
  };
  const loops = Promise.all([...KINDS.keys()].map(again));
  // It rejects when it is stopped, not while nobody listens.
  loops.catch(() => undefined);
  return {
    async stop() {
      stopped = true;
      await loops;
    },
  };
}
