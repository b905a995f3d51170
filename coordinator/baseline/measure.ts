/** Runs something again and again and keeps the time of each run that succeeded, apart from those that did not. */
import { CcliError, type ErrorCode, toErrorBody } from '../../protocol/errors.ts';
import type { Series } from './baseline.ts';

/** Milliseconds since the prompt was in hand. */
export interface Sample {
  readonly whole_ms: number;
  readonly first_chunk_ms?: number;
}

export interface MeasureOptions {
  readonly runs: number;
  readonly at_a_time: number;
  readonly sample: (signal: AbortSignal) => Promise<Sample>;
  readonly signal: AbortSignal;
  /** Called with how many of the runs are over. */
  readonly onRun?: (done: number) => void;
}

export type Measured = Pick<
  Series,
  'at_a_time' | 'whole_ms' | 'first_chunk_ms' | 'failures' | 'not_run' | 'wall_ms'
> & {
  /** The last failure, for a word about it. */
  readonly error: CcliError | undefined;
};

/** What fails so often in a row fails for a reason that another try does not mend, and each may cost money. */
const FAILURES_IN_A_ROW = 3;

/** @throws whatever `signal` was aborted with; every run has ended by then */
export async function measure(options: MeasureOptions): Promise<Measured> {
  const { runs, at_a_time, signal, onRun } = options;
  const samples: Sample[] = [];
  const failures: Partial<Record<ErrorCode, number>> = {};
  let error: CcliError | undefined;
  let in_a_row = 0;
  let begun = 0;
  let over = 0;
  const interrupted = (): boolean => signal.aborted;
  const lane = async (): Promise<void> => {
    while (begun < runs && in_a_row < FAILURES_IN_A_ROW && !interrupted()) {
      begun += 1;
      try {
        samples.push(await options.sample(signal));
        in_a_row = 0;
      } catch (cause) {
        if (interrupted()) return;
        error = asCcliError(cause);
        failures[error.code] = (failures[error.code] ?? 0) + 1;
        in_a_row += 1;
      }
      over += 1;
      onRun?.(over);
    }
  };
  const started_at = performance.now();
  await Promise.all(Array.from({ length: at_a_time }, lane));
  signal.throwIfAborted();
  return {
    at_a_time,
    whole_ms: samples.map(({ whole_ms }) => whole_ms),
    first_chunk_ms: samples.flatMap(({ first_chunk_ms }) => first_chunk_ms ?? []),
    failures,
    not_run: runs - begun,
    wall_ms: performance.now() - started_at,
    error,
  };
}

function asCcliError(cause: unknown): CcliError {
  if (cause instanceof CcliError) return cause;
  const { code, message } = toErrorBody(cause);
  return new CcliError(code, message, { cause });
}
