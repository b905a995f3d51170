/** What a report does to a task: the step it calls for, or why it changes nothing. */
import type { FinishedReport, Report } from '../../protocol/report.ts';
import { isTerminal, type TaskOptions, type TaskState, type TaskStep } from '../../protocol/task.ts';
import { judgeFailure } from './retry.ts';

/** What a report is folded into. */
interface Folding {
  readonly state: TaskState;
  /** What tells the task from an earlier one of its id. */
  readonly seq: number;
  readonly options: TaskOptions;
  /** Whether another member of the task's fallback chain could take it. */
  readonly elsewhere: () => boolean;
}

export type Folded =
  | { readonly outcome: 'step'; readonly step: TaskStep; readonly keep_text: boolean }
  | { readonly outcome: 'ignore'; readonly reason: string };

const ignore = (reason: string): Folded => ({ outcome: 'ignore', reason });
const step = (taken: TaskStep, keep_text = false): Folded => ({ outcome: 'step', step: taken, keep_text });

/** Why a report is not about this task; undefined when it is, as far as is known. */
export function strangeness(
  { state, seq }: Pick<Folding, 'state' | 'seq'>,
  report: Report,
): string | undefined {
  if (report.seq !== undefined && report.seq !== seq) return 'it is of another task of this id';
  const known = state.attempts.find(({ attempt }) => attempt === report.attempt);
  return known === undefined || known.node === report.node ? undefined : 'the attempt is of another node';
}

/** Folding the same report twice, or reports out of order, ends in the same state. */
export function fold(task: Folding, report: Exclude<Report, { kind: 'slice' }>, random: number): Folded {
  const { state } = task;
  if (isTerminal(state.status)) return ignore(`the task is already ${state.status}`);
  const strange = strangeness(task, report);
  if (strange !== undefined) return ignore(strange);
  const known = state.attempts.find(attempt => attempt.attempt === report.attempt);
  if (known === undefined) return ignore('the attempt was never assigned');
  const current = state.status !== 'queued' && state.attempts.at(-1)?.attempt === report.attempt;
  if (report.kind === 'started') {
    return current && state.status === 'assigned'
      ? step({ step: 'start', attempt: report.attempt, ...wayOf(report) })
      : ignore('the attempt is past its start');
  }
  if (report.outcome === 'completed')
    return step({ step: 'complete', attempt: report.attempt, ...wayOf(report) }, true);
  return current ? foldEnd(task, report, random) : ignore('a later attempt has taken over');
}

function foldEnd({ state, options, elsewhere }: Folding, report: FinishedReport, random: number): Folded {
  if (report.outcome === 'cancelled') return step({ step: 'cancel', stop_confirmed: true });
  const error = report.error ?? {
    code: 'internal' as const,
    message: 'The node gave no reason.',
    retryable: false,
  };
  const verdict = judgeFailure({
    error,
    refused: false,
    attempts: state.attempts,
    options,
    elsewhere,
    random,
  });
  if (verdict.again) {
    return step({
      step: 'requeue',
      attempt: report.attempt,
      error,
      retry_after_ms: Math.round(verdict.after_ms),
      ...wayOf(report),
    });
  }
  const partial = report.text !== undefined;
  return step({ step: 'fail', attempt: report.attempt, error, partial, ...wayOf(report) }, partial);
}

const wayOf = ({ transport }: Report): Pick<Report, 'transport'> =>
  transport === undefined ? {} : { transport };
