/** How an agent did lately: a window over its last runs, without those whose end says nothing about it. */
import type { RecentRuns } from '../../protocol/agent.ts';
import type { CcliError, ErrorCode } from '../../protocol/errors.ts';

/** A run as it ended. */
export interface EndedRun {
  readonly failure?: Pick<CcliError, 'code'> | undefined;
  readonly run_ms: number;
  readonly first_chunk_ms?: number | undefined;
  /** What the task itself asked for, and has itself to thank for. */
  readonly own_model?: boolean;
  readonly own_timeout?: boolean;
}

interface Kept extends EndedRun {
  /** On one monotonic clock, in milliseconds. */
  readonly at_ms: number;
}

/** Oldest first. */
export type Window = readonly Kept[];

export const NO_RUNS: Window = [];
const WINDOW = 20;
/** What is older says nothing of now: an agent that failed then is tried again. */
const MAX_AGE_MS = 15 * 60_000;

/** Ends that speak of the task, of whoever sent it, or of the node, and not of the agent. */
const NOT_ITS_OWN: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'cancelled',
  'deadline_passed',
  'agent_restarted',
  'invalid_request',
  'prompt_empty',
  'prompt_has_nul',
  'prompt_too_large',
  'slices_incomplete',
  'context_too_long',
  'safety_refused',
  'model_rejected',
  'output_too_large',
  'outbox_full',
]);

export function counts({ failure, own_model = false, own_timeout = false }: EndedRun): boolean {
  if (failure === undefined) return true;
  if (failure.code === 'model_not_found') return !own_model;
  if (failure.code === 'task_timeout') return !own_timeout;
  return !NOT_ITS_OWN.has(failure.code);
}

export const withRun = (window: Window, run: EndedRun, now_ms: number): Window =>
  counts(run) ? [...window, { ...run, at_ms: now_ms }].slice(-WINDOW) : window;

/** Undefined when there is nothing to tell. */
export function summary(all: Window, now_ms: number): RecentRuns | undefined {
  const window = all.filter(({ at_ms }) => now_ms - at_ms <= MAX_AGE_MS);
  if (window.length === 0) return undefined;
  const good = window.filter(({ failure }) => failure === undefined);
  const first_chunk_ms = median(
    good.flatMap(run => (run.first_chunk_ms === undefined ? [] : [run.first_chunk_ms])),
  );
  const run_ms = median(good.map(run => run.run_ms));
  return {
    runs: window.length,
    failed: window.length - good.length,
    ...(first_chunk_ms !== undefined && { first_chunk_ms }),
    ...(run_ms !== undefined && { run_ms }),
  };
}

/** Of an even number, the lower one of the two in the middle: a figure that was measured. */
function median(figures: readonly number[]): number | undefined {
  const sorted = [...figures].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)];
}
