/** Runs one prompt to its end: submit, stream, answer. What `ccli run` and `ccli up PROMPT` share. */
import { setTimeout as delay } from 'node:timers/promises';
import { CcliError, toErrorBody } from '../../protocol/errors.ts';
import type { TaskView } from '../../protocol/operation.ts';
import { isTerminal, type TaskOptions } from '../../protocol/task.ts';
import { submitPrompt } from '../stream/transfer.ts';
import { isUnclear } from '../stream/unclear.ts';
import { waitForEnd } from '../stream/wait-for-end.ts';
import { createAnswer } from './answer.ts';
import { CALLER, type Cli } from './cli.ts';
import type { Client } from './client.ts';
import { showEnd } from './end.ts';
import type { Interrupts } from './interrupts.ts';
import { withWayBack } from './outage.ts';
import type { Progress } from './progress.ts';
import { roundabout, standIn, took } from './render/task.ts';
import { createStages } from './stages.ts';
import { listen } from './stream/live.ts';
import { newTaskId } from './task-id.ts';

export interface PromptRun {
  readonly prompt: string;
  readonly options: TaskOptions;
  readonly json: boolean;
  readonly progress: Progress;
  readonly interrupts: Interrupts;
}

/** How long the first Ctrl-C waits for the task to be cancelled. */
const CANCEL_PATIENCE_MS = 15_000;

/** @returns the exit code, everything told. @throws CcliError when the fleet cannot be asked. */
export async function runPrompt(cli: Cli, client: Client, run: PromptRun): Promise<number> {
  const { progress, interrupts } = run;
  const { operations } = client;
  const task_id = newTaskId();
  const startedAt = performance.now();
  const context = { caller: CALLER, signal: interrupts.second };
  const stages = createStages(progress);
  const answer = run.json ? undefined : createAnswer(cli.stdout, progress);
  const stop = listen(client, task_id, {
    // A pipe gets the final result only: it cannot take back what an attempt that failed had said.
    ...(cli.stdout.tty && answer !== undefined && { onChunk: answer.onChunk }),
    onEvent: event => {
      stages.onEvent(event);
    },
  });
  const sent: { phase: 'unsent' | 'asked' | 'accepted' } = { phase: 'unsent' };
  try {
    const submission = { task_id, prompt: run.prompt, options: run.options };
    const submitted = await submitPrompt(operations, submission, {
      ...context,
      beforeSubmit: interrupts.first,
      onSubmit: () => {
        sent.phase = 'asked';
      },
    });
    sent.phase = 'accepted';
    stages.submitted(task_id);
    const onView = (view: TaskView): void => {
      stages.onView(view);
    };
    const view = isTerminal(submitted.status) ? submitted : await follow(client, task_id, run, onView);
    stages.onView(view);
    const elapsed_ms = performance.now() - startedAt;
    progress.pause();
    const code = await showEnd(view, { cli, operations, context, output: answer ?? { end: cli.json } });
    // Done is what has been written.
    await cli.stdout.flush();
    if (view.status === 'completed' && !cli.stdout.gone.aborted) {
      progress.note(`done in ${took(elapsed_ms, view)}`);
      for (const note of [standIn(view), roundabout(view)]) if (note !== undefined) progress.note(note);
    }
    return code;
  } catch (error) {
    if (interrupts.second.aborted) {
      throw new CcliError(
        'cancelled',
        `Left at once; see \`ccli task show ${task_id}\` for what became of the task.`,
      );
    }
    if (interrupts.first.aborted && sent.phase === 'unsent')
      throw new CcliError('cancelled', 'Interrupted; nothing was submitted.');
    const exists = sent.phase === 'accepted' || (sent.phase === 'asked' && isUnclear(error));
    if (!exists) throw error;
    if (cli.stdout.gone.reason === error) {
      throw new CcliError(
        'output_failed',
        `The answer could not be written; free some room or choose another place. \`ccli task wait ${task_id}\` prints it again.`,
        { cause: error instanceof Error ? error.cause : undefined },
      );
    }
    throw withWayBack(error, task_id);
  } finally {
    stop();
    progress.pause();
    cli.stdout.freshLine();
  }
}

async function follow(
  { operations }: Client,
  task_id: string,
  { progress, interrupts }: PromptRun,
  onView: (view: TaskView) => void,
): Promise<TaskView> {
  const ended = new AbortController();
  const patience = new AbortController();
  const cancelling = cancelWhenInterrupted();
  try {
    return await waitForEnd(operations, {
      task_id,
      caller: CALLER,
      signal: AbortSignal.any([interrupts.second, patience.signal]),
      onView,
      onTrouble: (error, times) => {
        if (times === 1) progress.note(`${error.message} Trying again; ${task_id} goes on meanwhile.`);
      },
    });
  } finally {
    ended.abort();
    await cancelling;
  }

  async function cancelWhenInterrupted(): Promise<void> {
    if (!(await happens(interrupts.first, ended.signal))) return;
    progress.note(`cancelling ${task_id}; Ctrl-C again leaves at once`);
    try {
      await operations.cancel({ task_id }, { caller: CALLER, signal: interrupts.second });
      await delay(CANCEL_PATIENCE_MS, undefined, { signal: ended.signal });
      patience.abort(
        new CcliError(
          'cancelled',
          `The cancel of ${task_id} is recorded, but its node has not answered yet; see \`ccli task show ${task_id}\`.`,
        ),
      );
    } catch (error) {
      if (ended.signal.aborted || interrupts.second.aborted) return;
      const { code, message } = toErrorBody(error);
      patience.abort(
        new CcliError(
          'cancelled',
          `The task ${task_id} could not be cancelled (${code}: ${message}); it may still run.`,
          { cause: error },
        ),
      );
    }
  }
}

/** Whether the first signal aborts before the second. */
function happens(event: AbortSignal, instead: AbortSignal): Promise<boolean> {
  return new Promise(resolve => {
    const done = new AbortController();
    const settle = (value: boolean): void => {
      done.abort();
      resolve(value);
    };
    if (event.aborted || instead.aborted) {
      settle(event.aborted);
      return;
    }
    event.addEventListener(
      'abort',
      () => {
        settle(true);
      },
      { signal: done.signal },
    );
    instead.addEventListener(
      'abort',
      () => {
        settle(false);
      },
      { signal: done.signal },
    );
  });
}
