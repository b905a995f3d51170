/** What the steps of one coordination share. */
import { setTimeout as delay } from 'node:timers/promises';
import { CcliError } from '../../protocol/errors.ts';
import type { OperationName, OperationReply, OperationRequest } from '../../protocol/operation.ts';
import type { CallContext } from '../caller.ts';

type Operation<N extends OperationName> = (
  request: OperationRequest<N>,
  context: CallContext,
) => Promise<OperationReply<N>>;

/** Every part is a task like any other: a coordination can do nothing that its caller could not. */
export type CoordinateParts = {
  readonly [N in 'agents' | 'submit' | 'get' | 'cancel' | 'download' | 'list']: Operation<N>;
};

export interface Tools {
  readonly operations: CoordinateParts;
  readonly context: CallContext;
  readonly coordination_id: string;
  /** What was asked of the whole: see `askedWord`. */
  readonly asked: string;
  /** What is left of the time for the answers, and of the whole budget. */
  readonly answersLeft: () => number;
  readonly left: () => number;
}

const PAUSE_MS = 500;

/** A store that does not answer is asked again for as long as there is time: all that is asked of it here is repeatable. */
export async function again<T>(work: () => Promise<T>, left: () => number, signal: AbortSignal): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      const passes = error instanceof CcliError && error.code === 'store_unavailable';
      if (!passes || left() <= PAUSE_MS || signal.aborted) throw error;
      // An abort is noticed by the next turn.
      await delay(PAUSE_MS, undefined, { signal }).catch(() => undefined);
    }
  }
}
