/** Looks at the tasks of a coordination every so often: what has changed, and whether anything goes on at all. */
import { setTimeout as delay } from 'node:timers/promises';
import { toErrorBody } from '../../../protocol/errors.ts';
import { isTerminal } from '../../../protocol/task.ts';
import type { Operations } from '../../operations.ts';
import { CALLER } from '../cli.ts';
import type { Progress } from '../progress.ts';
import type { PartStages } from './part-stages.ts';

interface WatchOptions {
  readonly operations: Operations;
  readonly coordination_id: string;
  readonly stages: PartStages;
  readonly progress: Progress;
  readonly ended: AbortSignal;
  /** Told "stalled" when nothing has been under way for a while, and still nobody has replied. */
  readonly stalled: EventTarget;
  readonly stalled_ms?: number;
}

const PAUSES_MS = [200, 300, 500, 1_000];
const LAST_PAUSE_MS = 2_000;
/** Longer than a submit waits for an agent that starts. */
const STALLED_MS = 15_000;
const MOST_PARTS = 100;

export function watchParts(options: WatchOptions): { readonly done: Promise<void> } {
  return { done: run(options) };
}

async function run(options: WatchOptions): Promise<void> {
  const { operations, coordination_id, stages, progress, ended, stalled } = options;
  const { stalled_ms = STALLED_MS } = options;
  let idleSince: number | undefined;
  let troubled = false;
  for (let turn = 0; !isAborted(ended); turn += 1) {
    try {
      const request = { group: coordination_id, limit: MOST_PARTS };
      const { tasks } = await operations.list(request, { caller: CALLER, signal: ended });
      for (const task of [...tasks].reverse()) stages.onTask(task);
      const idle = tasks.every(({ status }) => isTerminal(status));
      idleSince = idle ? (idleSince ?? performance.now()) : undefined;
    } catch (error) {
      if (isAborted(ended)) return;
      idleSince = undefined;
      if (!troubled) progress.note(`no progress can be shown: ${toErrorBody(error).message}`);
      troubled = true;
    }
    if (idleSince !== undefined && performance.now() - idleSince > stalled_ms) {
      idleSince = undefined;
      stalled.dispatchEvent(new Event('stalled'));
    }
    // The end is noticed by the next turn.
    await delay(PAUSES_MS[turn] ?? LAST_PAUSE_MS, undefined, { signal: ended }).catch(() => undefined);
  }
}

/** Read through a call: the compiler cannot see that an await changes it. */
const isAborted = (signal: AbortSignal): boolean => signal.aborted;
