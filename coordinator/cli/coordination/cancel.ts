/** Ctrl-C: cancels every task of a coordination, also those that are begun meanwhile. */
import { setTimeout as delay } from 'node:timers/promises';
import { CcliError, toErrorBody } from '../../../protocol/errors.ts';
import { isTerminal } from '../../../protocol/task.ts';
import type { Operations } from '../../operations.ts';
import { CALLER } from '../cli.ts';
import type { Interrupts } from '../interrupts.ts';
import type { Progress } from '../progress.ts';

interface CancelOptions {
  readonly operations: Operations;
  readonly coordination_id: string;
  readonly progress: Progress;
  readonly interrupts: Interrupts;
  readonly ended: AbortSignal;
}

interface Cancelling {
  /** Aborts when the reply is no longer worth waiting for. */
  readonly givenUp: AbortSignal;
  readonly done: Promise<void>;
}

/** How long the first Ctrl-C waits for everything to have ended. */
const PATIENCE_MS = 20_000;
const PAUSE_MS = 300;
const MOST_PARTS = 100;

export function cancelWhenInterrupted(options: CancelOptions): Cancelling {
  const givenUp = new AbortController();
  return { givenUp: givenUp.signal, done: run(options, givenUp) };
}

async function run(options: CancelOptions, givenUp: AbortController): Promise<void> {
  const { operations, coordination_id, progress, interrupts, ended } = options;
  await aborted(AbortSignal.any([interrupts.first, ended]));
  if (!interrupts.first.aborted) return;
  progress.note('cancelling all that is under way; Ctrl-C again leaves at once');
  const until = performance.now() + PATIENCE_MS;
  const signal = AbortSignal.any([ended, interrupts.second]);
  const context = { caller: CALLER, signal };
  let failure: unknown;
  while (!isAborted(signal)) {
    try {
      const { tasks } = await operations.list({ group: coordination_id, limit: MOST_PARTS }, context);
      const running = tasks.filter(({ status }) => !isTerminal(status));
      await Promise.all(running.map(({ task_id }) => operations.cancel({ task_id }, context)));
      failure = undefined;
    } catch (error) {
      failure = error;
    }
    if (isAborted(signal)) return;
    if (performance.now() > until) {
      givenUp.abort(unfinished(coordination_id, failure));
      return;
    }
    // An abort is noticed by the next turn.
    await delay(PAUSE_MS, undefined, { signal }).catch(() => undefined);
  }
}

const unfinished = (coordination_id: string, failure: unknown): CcliError => {
  const { code, message } = toErrorBody(failure);
  const why =
    failure === undefined
      ? 'was asked for, and not everything has ended yet'
      : `may not have reached every task (${code}: ${message})`;
  return new CcliError(
    'cancelled',
    `The cancel of the coordination ${coordination_id} ${why}; see \`ccli task list\`.`,
    { cause: failure },
  );
};

/** Read through a call: the compiler cannot see that an await changes it. */
const isAborted = (signal: AbortSignal): boolean => signal.aborted;

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise(resolve => {
    signal.addEventListener(
      'abort',
      () => {
        resolve();
      },
      { once: true },
    );
  });
}
