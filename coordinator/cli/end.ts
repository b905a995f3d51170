/** Tells how a task ended: its answer, its error, and the exit code for it. */
import { CcliError, ERRORS, type ErrorBody, toErrorBody } from '../../protocol/errors.ts';
import type { TaskView } from '../../protocol/operation.ts';
import type { CallContext } from '../caller.ts';
import type { Operations } from '../operations.ts';
import { wholeResponse } from '../stream/transfer.ts';
import type { Cli } from './cli.ts';
import { writeError } from './render/error.ts';

/** Where the end of a task goes: text for people and pipes, or JSON for programs. */
export type EndOutput = { finish(response: string | undefined): void } | { end(task: TaskView): void };

interface EndOptions {
  readonly cli: Cli;
  readonly operations: Operations;
  readonly context: CallContext;
  readonly output: EndOutput;
}

/** What stopped a task that did not complete. */
export function errorOf(view: TaskView): ErrorBody | undefined {
  if (view.status === 'completed') return undefined;
  if (view.status === 'cancelled') return toErrorBody(new CcliError('cancelled'));
  return view.error ?? toErrorBody(new CcliError('internal', 'The task failed without saying why.'));
}

/** The task as `--json` shows it: the answer in it whole however long it is, and an error unless it completed. */
export async function wholeView(
  operations: Operations,
  view: TaskView,
  context: CallContext,
): Promise<TaskView> {
  const response = await wholeResponse(operations, view, context);
  const { response_ref: _ref, ...rest } = view;
  const error = errorOf(view);
  return {
    ...rest,
    ...(error !== undefined && { error }),
    ...(response !== undefined && { response }),
  };
}

export async function showEnd(
  view: TaskView,
  { cli, operations, context, output }: EndOptions,
): Promise<number> {
  const error = errorOf(view);
  if ('end' in output) output.end(await wholeView(operations, view, context));
  else output.finish(await wholeResponse(operations, view, context));
  if (error === undefined) return 0;
  writeError(cli.stderr, error, {
    task_id: view.task_id,
    ...(view.status === 'cancelled' && view.stop_confirmed === false && { note: UNCONFIRMED }),
  });
  return ERRORS[error.code].exit;
}

const UNCONFIRMED = 'The node has not confirmed that the attempt stopped.';
