/** A caller of the fleet that does not give up: asks again until somebody answers. */
import { setTimeout as delay } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/nats-core';
import { requestJson } from '../../protocol/daemon/request.ts';
import { CcliError, type ErrorCode } from '../../protocol/errors.ts';
import {
  OPERATIONS,
  type OperationName,
  type OperationReply,
  type OperationRequest,
} from '../../protocol/operation.ts';
import { DEFAULT_PREFIX } from '../../protocol/subjects.ts';

const ANSWER_MS = 4_000;
const PAUSE_MS = 250;

export interface Patience {
  /** On the clock of `performance.now()`. */
  readonly until_ms: number;
  readonly onError: (code: ErrorCode) => void;
  /** Codes after which asking again is of no use. */
  readonly final?: ReadonlySet<ErrorCode>;
}

/** Undefined when patience ran out, or after a final answer. */
export async function askUntilAnswered<N extends OperationName>(
  connection: NatsConnection,
  name: N,
  value: OperationRequest<N>,
  { until_ms, onError, final }: Patience,
): Promise<OperationReply<N> | undefined> {
  while (performance.now() < until_ms) {
    try {
      return await ask(connection, name, value);
    } catch (error) {
      const code = error instanceof CcliError ? error.code : 'internal';
      onError(code);
      if (final?.has(code) === true) return undefined;
      await delay(PAUSE_MS);
    }
  }
  return undefined;
}

export function ask<N extends OperationName>(
  connection: NatsConnection,
  name: N,
  value: OperationRequest<N>,
): Promise<OperationReply<N>> {
  const { subject, request, reply } = OPERATIONS[name];
  // The table pairs each request with its reply; the type checker cannot follow that through a union.
  return requestJson<unknown, unknown>(connection, {
    subject: `${DEFAULT_PREFIX}.${subject}`,
    request,
    reply,
    value,
    timeout_ms: ANSWER_MS,
    onNobody: () => new CcliError('no_coordinator'),
  }) as Promise<OperationReply<N>>;
}
