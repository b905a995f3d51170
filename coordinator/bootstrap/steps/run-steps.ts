/** Takes steps one after the other: looks first, and does only what is not right yet. */
import { CcliError } from '../../../protocol/errors.ts';
import type { Look, Step, StepName, StepReport, Watcher } from '../step.ts';

export interface StepRunner {
  readonly reports: readonly StepReport[];
  /** Which one is going on, or was the last. */
  readonly current: StepName | undefined;
  /** Only looks: it changes nothing, in a dry run as in a real one. */
  look<T>(name: StepName, work: () => Promise<{ readonly value: T; readonly says: string }>): Promise<T>;
  take(step: Step): Promise<void>;
}

interface RunnerOptions {
  readonly dry_run: boolean;
  /** That of the run; it may change while the host is being connected. */
  readonly signal: () => AbortSignal;
  readonly watcher: Watcher;
}

export function createStepRunner({ dry_run, signal, watcher }: RunnerOptions): StepRunner {
  const reports: StepReport[] = [];
  let current: StepName | undefined;

  const timed = async <T>(
    step: StepName,
    work: () => Promise<Pick<StepReport, 'outcome' | 'says'> & { readonly value: T }>,
  ): Promise<T> => {
    signal().throwIfAborted();
    current = step;
    watcher.began(step);
    const began = performance.now();
    const end = (report: Pick<StepReport, 'outcome' | 'says'>): void => {
      const ended = { step, ...report, took_ms: Math.round(performance.now() - began) };
      reports.push(ended);
      watcher.ended(ended);
    };
    try {
      const { outcome, says, value } = await work();
      signal().throwIfAborted();
      end({ outcome, says });
      return value;
    } catch (error) {
      end({ outcome: 'failed', says: error instanceof CcliError ? error.message : 'failed' });
      throw error;
    }
  };

  return {
    reports,
    get current() {
      return current;
    },
    look: (name, work) =>
      timed(name, async () => {
        const { value, says } = await work();
        return { outcome: 'done', says, value };
      }),
    take: step =>
      timed(step.name, async () => {
        const look: Look = await step.look();
        if ('right' in look) return { outcome: 'unchanged', says: look.right, value: undefined };
        if (dry_run) return { outcome: 'would', says: `would ${look.would}`, value: undefined };
        return { outcome: 'done', says: await step.act(), value: undefined };
      }),
  };
}
