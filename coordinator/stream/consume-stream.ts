/** The messages of a stream in order, from one of them on and as they come, through an ordered consumer. */
import { type ConsumerNotification, type JsMsg, jetstream } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { withinLimit } from '../../protocol/daemon/within-limit.ts';

export interface Consumption {
  /** Resolves once nothing more is to be expected of it: stop it, and begin another. */
  readonly over: Promise<void>;
  /** What it has been given when it was made; more may have come since. */
  readonly waiting: number;
  stop(): Promise<void>;
}

interface ConsumeOptions {
  readonly connection: NatsConnection;
  readonly stream: string;
  readonly subject?: string;
  /** The first one kept is 1, whatever its number. */
  readonly from_seq: number;
  /** Must not throw. */
  readonly onMessage: (message: JsMsg) => void;
}

const MESSAGES_AHEAD = 100;
/** Heartbeats come at half of it; two that are missed mean that the consumer is gone. */
const PULL_MS = 10_000;
const DELETE_LIMIT_MS = 1_000;

/**
 * The library would go on by itself in some of these cases, from the number after the last one it saw. A stream in
 * memory counts anew after a restart of its server, and that number means nothing there.
 */
const BROKEN: ReadonlySet<ConsumerNotification['type']> = new Set([
  'heartbeats_missed',
  'consumer_not_found',
  'consumer_deleted',
  'stream_not_found',
  'no_responders',
]);

/** @throws whatever JetStream throws, above all when there is no such stream */
export async function consumeStream(options: ConsumeOptions): Promise<Consumption> {
  const { connection, stream, subject, from_seq, onMessage } = options;
  const consumer = await jetstream(connection).consumers.get(stream, {
    opt_start_seq: from_seq,
    ...(subject !== undefined && { filter_subjects: subject }),
  });
  const { num_pending } = await consumer.info(true);
  const messages = await consumer.consume({
    max_messages: MESSAGES_AHEAD,
    expires: PULL_MS,
    callback: onMessage,
  });
  const watch = async (): Promise<void> => {
    for await (const { type } of messages.status()) if (BROKEN.has(type)) return;
  };
  let stopped: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    // A closed connection has nothing left, and refuses to be told so.
    if (connection.isClosed()) return;
    await messages.close().catch(() => undefined);
    // Left alone, it would stay on the server for five minutes.
    if (!connection.isClosed())
      await withinLimit(
        consumer.delete().catch(() => false),
        DELETE_LIMIT_MS,
      );
  };
  return {
    over: watch(),
    waiting: num_pending,
    stop: () => (stopped ??= stop()),
  };
}
