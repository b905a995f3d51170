/** What a run of the suite has left to be judged. All times are of the true clock. */
import type { ErrorCode } from '../../protocol/errors.ts';
import type { TaskStatus } from '../../protocol/task.ts';
import type { FaultKind, Lane } from './kinds.ts';
import type { Run } from './run-log.ts';
import type { InjectedFault } from './storm.ts';
import type { Submitted } from './submitter.ts';

export interface StoredAttempt {
  readonly attempt: number;
  readonly node: string;
  readonly agent_id: string;
  readonly error_code: ErrorCode | undefined;
}

/** One write of a task's state, as the store's history has it. */
export interface StoredState {
  readonly status: TaskStatus;
  readonly error_code: ErrorCode | undefined;
  readonly result_attempt: number | undefined;
  readonly attempts: readonly StoredAttempt[];
  readonly at_ms: number;
}

export interface StoredResult {
  readonly attempt: number;
  readonly sha256: string;
  readonly bytes: number;
  /** Why its text could not be put together. */
  readonly problem?: string;
}

export interface StoredTask {
  readonly task_id: string;
  /** From its prompt. */
  readonly n: number;
  readonly created_at_ms: number;
  /** Oldest first. */
  readonly states: readonly StoredState[];
  readonly result: StoredResult | undefined;
}

export interface TaskEnd {
  readonly task_id: string;
  readonly status: TaskStatus;
}

export interface Evidence {
  readonly submitted: readonly Submitted[];
  readonly stored: readonly StoredTask[];
  /** Terminal states that the event stream tells of. */
  readonly told: readonly TaskEnd[];
  readonly runs: readonly Run[];
  readonly faults: readonly InjectedFault[];
  /** By number. */
  readonly lanes: readonly Lane[];
  /** Daemons that ended, or did not end, without anybody's doing. */
  readonly surprises: readonly string[];
  /** Processes that were there after the end. */
  readonly left: readonly string[];
  /** How often each kind of fault must have happened. */
  readonly required: Readonly<Partial<Record<FaultKind, number>>>;
}
