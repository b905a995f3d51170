/** Who asks for an operation, and until when the answer interests them. */
import type { OperationName, OperationReply, OperationRequest } from '../protocol/operation.ts';

export interface CallContext {
  /** Whose task it is. */
  readonly caller: string;
  /** The caller has gone: stop waiting. Never stops a task. */
  readonly signal: AbortSignal;
}

/** Throws `CcliError`s only. */
export type Operation<N extends OperationName> = (
  request: OperationRequest<N>,
  context: CallContext,
) => Promise<OperationReply<N>>;
