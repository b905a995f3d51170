import type { NatsConnection } from '@nats-io/nats-core';
import { CcliError } from '../../protocol/errors.ts';

/** Aborts with `nats_unreachable` at the first loss of the connection: a transfer does not outlive it. */
export function lostSignal(connection: NatsConnection): AbortSignal {
  const lost = new AbortController();
  const watch = async (): Promise<void> => {
    // It ends when the connection is closed.
    for await (const { type } of connection.status()) if (type === 'disconnect') break;
    lost.abort(new CcliError('nats_unreachable', 'The connection to NATS was lost.'));
  };
  void watch();
  return lost.signal;
}
