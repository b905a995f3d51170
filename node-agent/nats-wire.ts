/**
 * A node's side of NATS: the connection, the micro service, and what is published. The node is whole without it; it
 * attaches when the server answers, and comes back by itself after an outage.
 */
import { type JetStreamClient, jetstream } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import type { Service } from '@nats-io/services';
import { encode } from '../protocol/codec.ts';
import { closeConnection, connect, redactUrl, watchConnection } from '../protocol/daemon/connect.ts';
import { errorFields, type Log } from '../protocol/daemon/log.ts';
import { type Endpoint, startService } from '../protocol/daemon/service.ts';
import { VERSION } from '../protocol/daemon/version.ts';
import { CcliError } from '../protocol/errors.ts';
import { ChunkSchema } from '../protocol/output.ts';
import { ReportSchema, reportId } from '../protocol/report.ts';
import { type Names, NODE_SERVICE } from '../protocol/subjects.ts';
import type { NodeConfig } from './config.ts';
import type { Way } from './courier.ts';

export interface NatsWire extends Way {
  /** Begins to connect, and goes on trying. */
  start(): void;
  /** Resolves once the service answers for the first time. */
  readonly connected: Promise<unknown>;
  /** Settles when it can never connect, or has lost its connection for good. */
  readonly failed: Promise<CcliError>;
  advert(bytes: Uint8Array): void;
  /** Answers no more requests. */
  leave(): Promise<void>;
  close(): Promise<void>;
}

interface WireOptions {
  readonly config: Pick<NodeConfig, 'nats' | 'node'>;
  readonly names: Names;
  readonly instance_id: string;
  readonly endpoints: () => Endpoint[];
  /** Whenever it has opened. */
  readonly onOpen: () => void;
  readonly handOver: (work: Promise<unknown>) => void;
  readonly log: Log;
}

const PUBLISH_TIMEOUT_MS = 5_000;

interface Attached {
  readonly connection: NatsConnection;
  readonly stream: JetStreamClient;
  readonly service: Service;
}

/** A promise, and what settles it. */
function outcome<T>(): { readonly promise: Promise<T>; readonly settle: (value: T) => void } {
  let settle = (_value: T): void => undefined;
  const promise = new Promise<T>(resolve => {
    settle = resolve;
  });
  return { promise, settle };
}

export function createNatsWire({
  config,
  names,
  instance_id,
  handOver,
  log,
  ...options
}: WireOptions): NatsWire {
  const { node } = config;
  const connected = outcome<undefined>();
  const failed = outcome<CcliError>();
  let connection: NatsConnection | undefined;
  let attached: Attached | undefined;
  let cut = false;
  let doubtful = false;
  let closing = false;

  const attach = async (): Promise<void> => {
    log.info('connecting', { url: redactUrl(config.nats.url), node });
    const fresh = await connect(config.nats, { name: `ccli-node-agent ${node}`, patience: 'daemon', log });
    if (closing) {
      await fresh.close();
      return;
    }
    await serve(fresh);
  };

  const serve = async (fresh: NatsConnection): Promise<void> => {
    connection = fresh;
    log.info('connected', { server: redactUrl(fresh.getServer()) });
    handOver(
      watchConnection(fresh, log, {
        disconnect() {
          cut = true;
        },
        reconnect() {
          cut = false;
          doubtful = false;
          options.onOpen();
        },
      }),
    );
    void fresh.closed().then(cause => {
      failed.settle(
        new CcliError('nats_unreachable', 'The connection to NATS was closed for good.', {
          cause,
        }),
      );
    });
    const service = await startService({
      connection: fresh,
      name: NODE_SERVICE,
      version: VERSION,
      description: `Runs AI tools on ${node}`,
      metadata: { node, instance_id },
      log,
      endpoints: options.endpoints(),
    });
    attached = { connection: fresh, stream: jetstream(fresh), service };
    connected.settle(undefined);
    options.onOpen();
  };

  const isOpen = (): boolean => attached !== undefined && !cut && !attached.connection.isClosed();

  /** The server's own answer ends the doubt, however long it takes. */
  const doubt = (about: Attached): void => {
    if (doubtful) return;
    doubtful = true;
    about.connection.flush().then(
      () => {
        doubtful = false;
      },
      (error: unknown) => {
        // It is closed, or about to dial anew, which ends the doubt as well.
        log.debug('nats_flush_failed', errorFields(error));
      },
    );
  };

  return {
    name: 'nats',
    connected: connected.promise,
    failed: failed.promise,
    get open() {
      return isOpen();
    },
    get doubtful() {
      return doubtful;
    },
    start() {
      attach().catch((error: unknown) => {
        const why =
          error instanceof CcliError ? error : new CcliError('internal', undefined, { cause: error });
        failed.settle(why);
      });
    },
    advert(bytes) {
      if (isOpen()) attached?.connection.publish(names.advert(node), bytes);
    },
    chunk(chunk) {
      attached?.connection.publish(
        names.output(node, chunk.task_id, chunk.attempt),
        encode(ChunkSchema, chunk),
      );
    },
    async report(report) {
      if (attached === undefined) throw new CcliError('nats_unreachable');
      const bytes = encode(ReportSchema, report);
      try {
        await attached.stream.publish(names.report(node), bytes, {
          msgID: reportId(report),
          timeout: PUBLISH_TIMEOUT_MS,
        });
      } catch (error) {
        doubt(attached);
        throw error;
      }
    },
    async leave() {
      await attached?.service.stop();
    },
    async close() {
      closing = true;
      if (connection !== undefined) await closeConnection(connection);
    },
  };
}
