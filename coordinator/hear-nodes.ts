/** Brings what nodes say of themselves to the fleet: every advert from now on, and what is to be heard at once. */
import type { NatsConnection } from '@nats-io/nats-core';
import type { Lifecycle } from '../protocol/daemon/lifecycle.ts';
import { errorFields, type Log } from '../protocol/daemon/log.ts';
import type { Names } from '../protocol/subjects.ts';
import type { Fleet } from './fleet.ts';
import { rollCall } from './roll-call.ts';

interface HearOptions {
  readonly connection: NatsConnection;
  readonly names: Names;
  readonly fleet: Pick<Fleet, 'receive'>;
  readonly lifecycle: Lifecycle;
  readonly log: Log;
}

export async function hearNodes({ connection, names, fleet, lifecycle, log }: HearOptions): Promise<void> {
  const adverts = connection.subscribe(names.allAdverts, {
    callback: (error, message) => {
      if (error === null) fleet.receive(message.subject, message.data);
      else log.warn('advert_subscription', errorFields(error));
    },
  });
  lifecycle.defer('adverts', () => {
    adverts.unsubscribe();
  });
  await rollCall({ connection, names, onStatus: fleet.receive, log });
}
