/** The chunks of a task from the first that is still kept, for readers who come late. */
import { JetStreamApiError, JetStreamError } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { requestError } from '../../protocol/daemon/connect.ts';
import { CcliError } from '../../protocol/errors.ts';
import type { Chunk } from '../../protocol/output.ts';
import type { Names } from '../../protocol/subjects.ts';
import { createCatchUp } from './catch-up.ts';
import { consumeStream } from './consume-stream.ts';
import { readChunk } from './read-chunk.ts';

export interface Replay {
  /** Resolves once everything published so far has been given to `onChunk`. */
  caughtUp(): Promise<void>;
  stop(): Promise<void>;
}

interface Where {
  readonly connection: NatsConnection;
  readonly names: Names;
}

/** Returns undefined when the fleet keeps no chunks. */
export async function replay(
  { connection, names }: Where,
  task_id: string,
  onChunk: (chunk: Chunk) => void,
): Promise<Replay | undefined> {
  const subject = names.taskOutput(task_id);
  const catchUp = createCatchUp({ connection, stream: names.outputStream, subject });
  try {
    const consumption = await consumeStream({
      connection,
      stream: names.outputStream,
      subject,
      from_seq: 1,
      onMessage: ({ seq, data }) => {
        const chunk = readChunk(data, task_id);
        if (chunk !== undefined) onChunk(chunk);
        catchUp.seen(seq);
      },
    });
    return { caughtUp: () => catchUp.done(), stop: () => consumption.stop() };
  } catch (error) {
    if (error instanceof JetStreamError || error instanceof JetStreamApiError) return undefined;
    throw requestError(error, () => new CcliError('nats_unreachable', undefined, { cause: error }));
  }
}
