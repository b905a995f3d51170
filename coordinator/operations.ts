/** The one door to the system: `http/`, `mcp/` and the bus call it; `ccli` calls the same interface through NATS. */
import type { OperationName, OperationReply, OperationRequest } from '../protocol/operation.ts';

export interface CallContext {
  /** Whose task it is. */
  readonly caller: string;
  /** The caller has gone: stop waiting. Never stops a task. */
  readonly signal: AbortSignal;
}

/** Each operation throws `CcliError`s only. */
export type Operations = {
  readonly [N in OperationName]: (
    request: OperationRequest<N>,
    context: CallContext,
  ) => Promise<OperationReply<N>>;
};
