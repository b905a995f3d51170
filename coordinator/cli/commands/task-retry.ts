/** `ccli task retry`. */
import type { TaskView } from '../../../protocol/operation.ts';
import type { Operations } from '../../operations.ts';
import { isUnclear } from '../../stream/unclear.ts';
import { CALLER, type Cli } from '../cli.ts';
import type { CommonFlags } from '../options.ts';
import { newTaskId } from '../task-id.ts';

const TRIES = 3;

export async function retryCommand(cli: Cli, task_id: string, flags: CommonFlags): Promise<number> {
  return await cli.withClient(flags, async ({ operations }) => {
    const view = await retried(operations, task_id);
    if (flags.json === true) cli.json(view);
    else cli.stdout.line(view.task_id);
    return 0;
  });
}

/** Asks again under the same new id when no answer came: the id makes that harmless. */
async function retried(operations: Operations, task_id: string): Promise<TaskView> {
  const request = { task_id, new_task_id: newTaskId() };
  const context = { caller: CALLER, signal: new AbortController().signal };
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await operations.retry(request, context);
    } catch (error) {
      if (attempt >= TRIES || !isUnclear(error)) throw error;
    }
  }
}
