/** What went wrong with a request after its task was there. */
import { CcliError } from '../../../protocol/errors.ts';
import { ParameterError } from './parameter-error.ts';

/** As the error that it is made from, with the task for the header `x-ccli-task-id`. */
export class TaskFailure extends CcliError {
  readonly task_id: string;
  readonly param: string | undefined;

  constructor(task_id: string, error: CcliError) {
    const { code, message, cause, retry_after_ms } = error;
    super(code, message, {
      ...(cause !== undefined && { cause }),
      ...(retry_after_ms !== undefined && { retry_after_ms }),
    });
    this.task_id = task_id;
    this.param = error instanceof ParameterError ? error.param : undefined;
  }
}
