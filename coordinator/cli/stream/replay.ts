/** The chunks of a task from the first that is still kept, for readers who come late. */
import { JetStreamApiError, JetStreamError, jetstream, jetstreamManager } from '@nats-io/jetstream';
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
        await messages.close();
      },
    };
  } catch (error) {
    if (error instanceof JetStreamError || error instanceof JetStreamApiError) return undefined;
    throw error;
  }

  async function lastSequence(): Promise<number> {
    try {
      const manager = await jetstreamManager(connection, { checkAPI: false });
      return (await manager.streams.getMessage(names.outputStream, { last_by_subj: subject }))?.seq ?? 0;
    } catch (error) {
      // Without it the end is still right: the whole answer is compared with what was shown.
      if (error instanceof JetStreamError || error instanceof JetStreamApiError) return 0;
      throw error;
    }
  }
}

/** Chunks may expire while they are waited for. */
const CATCH_UP_MS = 2_000;
