/** A task as this coordinator knows it: all but its texts. */
import type { TaskOptions, TaskState } from '../protocol/task.ts';

export interface TaskEntry {
  readonly task_id: string;
  readonly caller: string;
  readonly options: TaskOptions;
  readonly prompt_bytes: number;
  /** Revision of the request: order of arrival, and what tells this task from an earlier one of its id. */
  readonly seq: number;
  /** For display: this host's word for it until the server's stamp has come. */
  created_at_ms: number;
  /** On this coordinator's monotonic clock, as every `_since_ms` here; may lie before its start. */
  readonly accepted_since_ms: number;
  state: TaskState;
  /** What a compare-and-set on the state must name; 0 while there is a request and nothing else. */
  state_revision: number;
  cancel_requested: boolean;
  queued_since_ms: number;
  not_before_ms: number;
  /** Undefined until the task has ended. */
  ended_since_ms: number | undefined;
  waiting_for: string | undefined;
}
