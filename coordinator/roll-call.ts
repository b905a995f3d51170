/** Asks every node that is there for its status, so that a coordinator that starts need not wait for their adverts. */
import type { NatsConnection } from '@nats-io/nats-core';
import { Svcm } from '@nats-io/services';
import { errorFields, type Log } from '../protocol/daemon/log.ts';
import { type Names, NODE_SERVICE } from '../protocol/subjects.ts';

interface RollCallOptions {
  readonly connection: NatsConnection;
  readonly names: Names;
  /** The same words as an advert's. */
  readonly onStatus: (subject: string, bytes: Uint8Array) => void;
  readonly log: Log;
}

const STATUS_TIMEOUT_MS = 2_000;

/** Nodes that do not answer are heard of by their next advert. */
export async function rollCall({ connection, names, onStatus, log }: RollCallOptions): Promise<void> {
  const ask = async (node: string): Promise<void> => {
    try {
      const reply = await connection.request(names.node(node, 'status'), undefined, {
        timeout: STATUS_TIMEOUT_MS,
      });
      onStatus(names.advert(node), reply.data);
    } catch (error) {
      // It may belong to another fleet on this server.
      log.debug('node_not_at_roll_call', { node, ...errorFields(error) });
    }
  };
  const asked: Promise<void>[] = [];
  try {
    for await (const { metadata } of await new Svcm(connection).client().info(NODE_SERVICE)) {
      if (metadata?.['node'] !== undefined) asked.push(ask(metadata['node']));
    }
  } catch (error) {
    // Nobody is there yet.
    log.debug('roll_call_unanswered', errorFields(error));
  }
  await Promise.all(asked);
}
