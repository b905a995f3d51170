/** Brings what nodes say of themselves to the fleet: every advert from now on, and what is to be heard at once. */
import type { NatsConnection } from '@nats-io/nats-core';
import type { Lifecycle } from '../protocol/daemon/lifecycle.ts';
import { errorFields, type Log } from '../protocol/daemon/log.ts';
import { LINE_HEADER, type Names } from '../protocol/subjects.ts';
import type { Fleet } from './fleet.ts';
import { rollCall } from './roll-call.ts';

interface HearOptions {
  readonly connection: NatsConnection;
  readonly names: Names;
  readonly fleet: Pick<Fleet, 'receive'>;
  readonly coordinator_id: string;
  readonly lifecycle: Lifecycle;
  readonly log: Log;
}

export async function hearNodes(options: HearOptions): Promise<void> {
  const { connection, names, fleet, coordinator_id, lifecycle, log } = options;
  const adverts = connection.subscribe(names.allAdverts, {
    callback: (error, message) => {
      if (error !== null) {
        log.warn('advert_subscription', errorFields(error));
        return;
      }
      const relayed_by = message.headers?.get(LINE_HEADER) ?? '';
      // What we have passed on ourselves, we know already.
      if (relayed_by === coordinator_id) return;
      fleet.receive(message.subject, message.data, relayed_by === '' ? 'nats' : 'line');
    },
  });
  lifecycle.defer('adverts', () => {
    adverts.unsubscribe();
  });
  await rollCall({ connection, names, onStatus: fleet.receive, log });
}
