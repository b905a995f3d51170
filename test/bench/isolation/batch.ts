/** Ollama tasks, so many at a time, and how long each took from its submit to its answer. */
import type { Client } from '../../../coordinator/cli/client.ts';
import { newTaskId } from '../../../coordinator/cli/task-id.ts';
import { submitPrompt } from '../../../coordinator/stream/transfer.ts';
import { waitForEnd } from '../../../coordinator/stream/wait-for-end.ts';
import { CALLER } from '../fleet.ts';
import { ANSWER } from '../instant-model.ts';
import { OLLAMA, SLOTS } from './fleet.ts';

export interface Batch {
  readonly took_ms: readonly number[];
  /** Tasks that did not get their answer. */
  readonly failed: number;
}

export async function runBatch(client: Client, tasks: number, signal: AbortSignal): Promise<Batch> {
  const took_ms: number[] = [];
  let failed = 0;
  let left = tasks;
  const context = { caller: CALLER, signal };
  const work = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const task_id = newTaskId();
      const began = performance.now();
      await submitPrompt(
        client.operations,
        { task_id, prompt: 'What is 2+2?', options: { agent_id: OLLAMA, max_attempts: 1 } },
        context,
      );
      const view = await waitForEnd(client.operations, { task_id, ...context });
      took_ms.push(performance.now() - began);
      if (view.response !== ANSWER) failed += 1;
    }
  };
  await Promise.all(Array.from({ length: SLOTS }, work));
  return { took_ms, failed };
}
