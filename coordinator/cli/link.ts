/** Whether the server is there: the library keeps what is asked of one that is gone, and never says so. */
import type { NatsConnection } from '@nats-io/nats-core';
import { redactUrl } from '../../protocol/daemon/connect.ts';
import { CcliError } from '../../protocol/errors.ts';

interface Link {
  /** Aborts with `nats_unreachable` when the connection is lost; after a reconnect it is another one. */
  lost(): AbortSignal;
}

/** Watches until the connection is closed. */
export function createLink(connection: NatsConnection, url: string): Link {
  let lost = new AbortController();
  const watch = async (): Promise<void> => {
    for await (const { type } of connection.status()) {
      if (type === 'disconnect') lost.abort(connectionLost(url));
      else if (type === 'reconnect') lost = new AbortController();
    }
  };
  void watch();
  return { lost: () => lost.signal };
}

export const connectionLost = (url: string, cause?: unknown): CcliError =>
  new CcliError('nats_unreachable', `The connection to NATS at ${redactUrl(url)} was lost.`, { cause });
