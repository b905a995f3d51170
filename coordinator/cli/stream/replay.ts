/** The chunks of a task from the first that is still kept, for readers who come late. */
import { JetStreamApiError, JetStreamError, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { requestError } from '../../../protocol/daemon/connect.ts';
import { CcliError } from '../../../protocol/errors.ts';
import type { Chunk } from '../../../protocol/output.ts';
import type { Client } from '../client.ts';
import { readChunk } from './live.ts';

export interface Replay {
  /** Resolves once everything published so far has been given to `onChunk`. */
  caughtUp(): Promise<void>;
  stop(): Promise<void>;
}

/** Returns undefined when the fleet keeps no chunks. */
export async function replay(
  { connection, names }: Client,
  task_id: string,
  onChunk: (chunk: Chunk) => void,
): Promise<Replay | undefined> {
  const subject = names.taskOutput(task_id);
  let lastSeq = 0;
  const waiting = new Set<() => void>();
  try {
    const consumer = await jetstream(connection).consumers.get(names.outputStream, {
      filter_subjects: subject,
    });
    const messages = await consumer.consume({
      callback: message => {
        lastSeq = message.seq;
        const chunk = readChunk(message.data, task_id);
        if (chunk !== undefined) onChunk(chunk);
        for (const check of [...waiting]) check();
      },
    });
    return {
      async caughtUp() {
        const target = await lastSequence();
        if (target <= lastSeq) return;
        await new Promise<void>(resolve => {
          const timer = setTimeout(settle, CATCH_UP_MS);
          function settle(): void {
            clearTimeout(timer);
            waiting.delete(check);
            resolve();
          }
          function check(): void {
            if (lastSeq >= target) settle();
          }
          waiting.add(check);
        });
      },
      async stop() {
        // Without its reader the consumer goes by itself: an outage is no reason to fail in the end.
        if (!connection.isClosed()) await messages.close().catch(() => undefined);
      },
    };
  } catch (error) {
    if (error instanceof JetStreamError || error instanceof JetStreamApiError) return undefined;
    throw requestError(error, () => new CcliError('nats_unreachable', undefined, { cause: error }));
  }

  async function lastSequence(): Promise<number> {
    try {
      const manager = await jetstreamManager(connection, { checkAPI: false });
      return (await manager.streams.getMessage(names.outputStream, { last_by_subj: subject }))?.seq ?? 0;
    } catch {
      // Without it the end is still right: the whole answer is compared with what was shown.
      return 0;
    }
  }
}

/** Chunks may expire while they are waited for. */
const CATCH_UP_MS = 2_000;
