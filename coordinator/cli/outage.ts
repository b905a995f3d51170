/** When the fleet cannot be reached any more, what it was given goes on all the same. */
import { CcliError, ERRORS } from '../../protocol/errors.ts';

/** The error, and how to come back to the task if the error is that the fleet cannot be reached. */
export function withWayBack(error: unknown, task_id: string): unknown {
  if (!(error instanceof CcliError) || ERRORS[error.code].exit !== UNREACHED) return error;
  return new CcliError(error.code, `${error.message} The task may go on: \`ccli task wait ${task_id}\`.`, {
    cause: error.cause,
  });
}

const UNREACHED = 4;
