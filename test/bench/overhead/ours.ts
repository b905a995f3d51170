/** One prompt on the road that `ccli run` takes: listen, submit, wait for the end. */
import type { Client } from '../../../coordinator/cli/client.ts';
import { listen } from '../../../coordinator/cli/stream/live.ts';
import { newTaskId } from '../../../coordinator/cli/task-id.ts';
import { submitPrompt } from '../../../coordinator/stream/transfer.ts';
import { waitForEnd } from '../../../coordinator/stream/wait-for-end.ts';
import { CcliError } from '../../../protocol/errors.ts';
import { CALLER } from '../fleet.ts';
import { ANSWER, PROMPT } from './model.ts';
import type { Timing } from './timing.ts';

export interface OurRun extends Timing {
  readonly task_id: string;
  /** By this process's clock. */
  readonly began: number;
  /** When the coordinator had said that the task is durable, from the beginning. */
  readonly submitted_ms: number;
}

export async function runOurs(client: Client, agent_id: string, signal: AbortSignal): Promise<OurRun> {
  const context = { caller: CALLER, signal };
  const task_id = newTaskId();
  let first_chunk_ms: number | undefined;
  const began = performance.now();
  const stop = listen(client, task_id, {
    onChunk: () => {
      first_chunk_ms ??= performance.now() - began;
    },
  });
  try {
    await submitPrompt(client.operations, { task_id, prompt: PROMPT, options: { agent_id } }, context);
    const submitted_ms = performance.now() - began;
    const view = await waitForEnd(client.operations, { task_id, ...context });
    const end_ms = performance.now() - began;
    if (view.response !== ANSWER || first_chunk_ms === undefined)
      throw new CcliError(
        'internal',
        `Task ${task_id} ${view.status}: ${view.error?.message ?? 'a wrong answer'}`,
      );
    return { task_id, began, submitted_ms, first_chunk_ms, end_ms };
  } finally {
    stop();
  }
}
