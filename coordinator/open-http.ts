/** Opens the HTTP door, with the streams behind it. */
import type { NatsConnection } from '@nats-io/nats-core';
import type { Lifecycle } from '../protocol/daemon/lifecycle.ts';
import type { Log } from '../protocol/daemon/log.ts';
import type { Names } from '../protocol/subjects.ts';
import { type HttpDoor, serveHttp } from './http/serve.ts';
import type { HttpSettings } from './http/settings.ts';
import type { LinesCounts } from './open-lines.ts';
import type { Operations } from './operations.ts';
import { createStreams } from './stream/streams.ts';

interface HttpGrounds {
  readonly connection: NatsConnection;
  readonly names: Names;
  readonly operations: Operations;
  readonly settings: HttpSettings;
  /** Why this coordinator cannot serve now; undefined when it can. */
  readonly unready: () => string | undefined;
  readonly lines: () => LinesCounts;
  readonly lifecycle: Lifecycle;
  readonly log: Log;
}

/** @throws CcliError `address_in_use`, `config_invalid` */
export async function openHttp({ connection, names, ...grounds }: HttpGrounds): Promise<HttpDoor> {
  const { operations, lifecycle, log } = grounds;
  const streams = createStreams({ connection, names, operations, log });
  // Closed after the door has told its readers; the other way round they would be told twice.
  lifecycle.defer('streams', () => streams.close());
  return await serveHttp({ ...grounds, streams });
}
