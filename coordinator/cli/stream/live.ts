/** Chunks and changes of one task as they are published. Subscribe before the task is submitted: none is kept here. */
import type { Subscription } from '@nats-io/nats-core';
import { decode } from '../../../protocol/codec.ts';
import { EventSchema, type FleetEvent } from '../../../protocol/event.ts';
import type { Chunk } from '../../../protocol/output.ts';
import { readChunk } from '../../stream/read-chunk.ts';
import type { Client } from '../client.ts';

export type TaskEvent = Extract<FleetEvent, { kind: 'task' }>;

interface Listeners {
  readonly onChunk?: (chunk: Chunk) => void;
  readonly onEvent?: (event: TaskEvent) => void;
}

/**
 * Returns how to stop listening. The server has the subscriptions before anything that is sent later on the same
 * connection. What does not fit its schema is passed over: the final answer is what counts.
 */
export function listen(
  { connection, names }: Client,
  task_id: string,
  { onChunk, onEvent }: Listeners,
): () => void {
  const subscriptions: Subscription[] = [];
  const on = (subject: string, take: (data: Uint8Array) => void): void => {
    subscriptions.push(
      connection.subscribe(subject, {
        callback: (error, message) => {
          if (error === null) take(message.data);
        },
      }),
    );
  };
  if (onChunk !== undefined) {
    on(names.taskOutput(task_id), data => {
      const chunk = readChunk(data, task_id);
      if (chunk !== undefined) onChunk(chunk);
    });
  }
  if (onEvent !== undefined) {
    on(names.taskEvent(task_id), data => {
      const event = readOrNothing(() => decode(EventSchema, data));
      if (event?.kind === 'task') onEvent(event);
    });
  }
  return () => {
    // A closed connection has none left, and refuses to be told so.
    if (connection.isClosed()) return;
    for (const subscription of subscriptions) subscription.unsubscribe();
  };
}

function readOrNothing<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
