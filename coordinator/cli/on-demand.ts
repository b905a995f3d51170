/**
 * A fleet for a program that runs for long and is started before anybody knows whether its fleet is there: it is looked
 * for when it is needed, and again after it was lost, since `ccli up` may have started another one by then.
 */
import { errorFields, type Log } from '../../protocol/daemon/log.ts';
import { CcliError } from '../../protocol/errors.ts';
import type { OperationName } from '../../protocol/operation.ts';
import type { FleetStreamEvent, TaskStreamEvent } from '../../protocol/stream.ts';
import type { Operation } from '../caller.ts';
import type { Operations } from '../operations.ts';
import { createStreams, type Streams } from '../stream/streams.ts';
import type { Client } from './client.ts';

export interface OnDemand {
  readonly operations: Operations;
  readonly streams: Pick<Streams, 'task' | 'fleet'>;
  readonly close: () => Promise<void>;
}

interface Link {
  readonly client: Client;
  readonly streams: Streams;
}

/** @param open tried again at every need until it succeeds */
export function createOnDemand(open: () => Promise<Client>, log: Log): OnDemand {
  let link: Promise<Link> | undefined;
  const ending = new Set<Promise<void>>();

  const connect = async (): Promise<Link> => {
    const client = await open();
    const { connection, names, operations } = client;
    log.info('fleet_found', { server: connection.getServer() });
    return { client, streams: createStreams({ connection, names, operations, log }) };
  };

  const needed = (): Promise<Link> => {
    if (link !== undefined) return link;
    const mine = connect();
    link = mine;
    // One that could not be opened has told whoever needed it.
    mine.catch(() => {
      if (link === mine) link = undefined;
    });
    return mine;
  };

  const end = async (lost: Promise<Link>): Promise<void> => {
    const opened = await lost.catch(() => undefined);
    await opened?.streams.close();
    await opened?.client.close();
  };

  /** Whoever finds a link lost drops that one: by then there may be another, which is somebody else's. */
  const drop = (lost: Promise<Link>): void => {
    if (link !== lost) return;
    link = undefined;
    const ended = end(lost).catch((error: unknown) => {
      log.debug('fleet_link_not_closed', errorFields(error));
    });
    ending.add(ended);
    void ended.then(() => ending.delete(ended));
  };

  const operation =
    <N extends OperationName>(name: N): Operation<N> =>
    async (request, context) => {
      const mine = needed();
      const { client } = await mine;
      try {
        const ask: Operation<N> = client.operations[name];
        return await ask(request, context);
      } catch (error) {
        if (isLoss(error) || client.connection.isClosed()) drop(mine);
        throw error;
      }
    };

  /** A link that is lost is told by an error, or by an event that says why the stream is closed. */
  async function* follow<E extends TaskStreamEvent | FleetStreamEvent>(
    open: (streams: Streams) => AsyncIterable<E>,
  ): AsyncGenerator<E, void> {
    const mine = needed();
    const { streams, client } = await mine;
    const isOver = (): boolean => client.connection.isClosed();
    try {
      for await (const event of open(streams)) {
        if (event.event === 'closed' && (event.error.code === 'nats_unreachable' || isOver())) drop(mine);
        yield event;
      }
    } catch (error) {
      if (isLoss(error) || isOver()) drop(mine);
      throw error;
    }
  }

  return {
    operations: {
      submit: operation('submit'),
      run: operation('run'),
      get: operation('get'),
      cancel: operation('cancel'),
      retry: operation('retry'),
      list: operation('list'),
      upload: operation('upload'),
      download: operation('download'),
      agents: operation('agents'),
      nodes: operation('nodes'),
      drain: operation('drain'),
      explain: operation('explain'),
      coordinate: operation('coordinate'),
      register: operation('register'),
      update: operation('update'),
      remove: operation('remove'),
      test: operation('test'),
      verify: operation('verify'),
      registration: operation('registration'),
      status: operation('status'),
    },
    streams: {
      task: (request, context) => follow(streams => streams.task(request, context)),
      fleet: (request, context) => follow(streams => streams.fleet(request, context)),
    },
    async close() {
      if (link !== undefined) drop(link);
      await Promise.all(ending);
    },
  };
}

const isLoss = (error: unknown): boolean => error instanceof CcliError && error.code === 'nats_unreachable';
