/** `ccli task tail`: the chunks from the first that is kept, then the end. */
import type { Chunk } from '../../protocol/output.ts';
import { waitForEnd } from '../stream/wait-for-end.ts';
import { createAnswer } from './answer.ts';
import { CALLER, type Cli } from './cli.ts';
import type { Client } from './client.ts';
import { showEnd } from './end.ts';
import type { Progress } from './progress.ts';
import { createStages } from './stages.ts';
import { createJsonAnswer } from './stream/json-lines.ts';

interface TailOptions {
  readonly task_id: string;
  readonly json: boolean;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

export async function tailTask(cli: Cli, client: Client, options: TailOptions): Promise<number> {
  const { task_id, json, progress, signal } = options;
  const { operations } = client;
  const context = { caller: CALLER, signal };
  // Asked first, so that an unknown task is told as such.
  const first = await operations.get({ task_id }, context);
  const stages = createStages(progress);
  stages.onView(first);
  const output = json ? createJsonAnswer(cli) : createAnswer(cli.stdout, progress);
  // JetStream's client takes a while to load, and only late readers need it.
  const { replay } = await import('../stream/replay.ts');
  const chunks = await replay(client, task_id, (chunk: Chunk) => {
    output.onChunk(chunk);
  });
  try {
    const view = await waitForEnd(operations, {
      task_id,
      ...context,
      onView: view => {
        stages.onView(view);
      },
      onTrouble: (error, times) => {
        if (times === 1) progress.note(`${error.message} Trying again.`);
      },
    });
    progress.pause();
    await chunks?.caughtUp();
    return await showEnd(view, { cli, operations, context, output });
  } finally {
    await chunks?.stop();
    progress.pause();
    if (!json) cli.stdout.freshLine();
  }
}
