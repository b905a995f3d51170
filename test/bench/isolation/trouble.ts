/** CLI agents at their worst, each in its only slot, again and again. */
import type { Client } from '../../../coordinator/cli/client.ts';
import { waitForEnd } from '../../../coordinator/cli/follow.ts';
import { newTaskId } from '../../../coordinator/cli/task-id.ts';
import { submitPrompt } from '../../../coordinator/cli/transfer.ts';
import { CcliError } from '../../../protocol/errors.ts';
import type { TaskOptions } from '../../../protocol/task.ts';
import { CALLER } from './fleet.ts';
import { KINDS } from './kinds.ts';
import type { Pace } from './pace.ts';

export interface Trouble {
  /** Resolves once nothing of it runs any more. */
  stop(): Promise<void>;
}

interface TroubleOptions {
  /** Is told of each run. */
  readonly pace: Pace;
  readonly signal: AbortSignal;
}

export function startTrouble(client: Client, { pace, signal }: TroubleOptions): Trouble {
  const context = { caller: CALLER, signal };
  let stopped = false;
  const again = async (agent_id: string): Promise<void> => {
    const { prompt = '', timeout_ms } = KINDS.get(agent_id) ?? {};
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
      if (view.status !== 'failed') throw new CcliError('internal', `A task of ${agent_id} ${view.status}.`);
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
