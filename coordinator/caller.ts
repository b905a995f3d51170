/** Who asks for an operation, and until when the answer interests them. */
export interface CallContext {
  /** Whose task it is. */
  readonly caller: string;
  /** The caller has gone: stop waiting. Never stops a task. */
  readonly signal: AbortSignal;
}
