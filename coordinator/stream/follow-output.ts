/**
 * The chunks of one task, from the first that is kept and as they come, through whatever happens to the server:
 *
 *     opening ──there is a stream──> replaying ──all that was kept is given──> live
 *        ^  └─none yet: listen, and look again┘      │ │  ^ resume, from the next one
 *        └──────────────broken: from the first one───┘ └──┴─pause
 *
 * Chunks may be given again, and what was published while nobody kept it is lost: whoever takes them goes by their
 * numbers.
 */
import type { NatsConnection, Subscription } from '@nats-io/nats-core';
import { errorFields, type Log } from '../../protocol/daemon/log.ts';
import type { Chunk } from '../../protocol/output.ts';
import type { Names } from '../../protocol/subjects.ts';
import { createBell } from './bell.ts';
import { createCatchUp } from './catch-up.ts';
import { type Consumption, consumeStream } from './consume-stream.ts';
import { readChunk } from './read-chunk.ts';

export interface OutputFollower {
  /** Resolves once everything published so far has been given. */
  caughtUp(): Promise<void>;
  /** The stream keeps what comes until `resume`. */
  pause(): void;
  resume(): void;
  /** Resolves when nothing is left of it. */
  stop(): Promise<void>;
}

interface FollowOptions {
  readonly connection: NatsConnection;
  readonly names: Names;
  readonly task_id: string;
  /** Must not throw. */
  readonly onChunk: (chunk: Chunk) => void;
  /** All that is kept has been given: of what is missing now, nothing comes any more. */
  readonly onSettled: () => void;
  readonly log: Log;
}

const LOOK_AGAIN_MS = [250, 500, 1_000, 2_000, 5_000];
const LAST_LOOK_AGAIN_MS = 10_000;

export function followOutput(options: FollowOptions): OutputFollower {
  const { connection, names, task_id, onChunk, onSettled, log } = options;
  const subject = names.taskOutput(task_id);
  const stream = names.outputStream;
  const stopping = new AbortController();
  const { signal } = stopping;
  const turned = createBell();
  let paused = false;
  let from_seq = 1;
  let consumption: Consumption | undefined;
  /** There is nothing to be had from the stream for now. */
  let unavailable = false;
  let live: Subscription | undefined;
  const catchUp = createCatchUp({ connection, stream, subject, held: () => paused });

  const take = (data: Uint8Array): void => {
    const chunk = readChunk(data, task_id);
    if (chunk !== undefined && !signal.aborted) onChunk(chunk);
  };

  const listen = (): void => {
    if (live !== undefined || connection.isClosed() || signal.aborted) return;
    live = connection.subscribe(subject, {
      callback: (error, message) => {
        if (error === null) take(message.data);
      },
    });
  };

  const unlisten = (): void => {
    if (live !== undefined && !connection.isClosed()) live.unsubscribe();
    live = undefined;
  };

  const open = async (): Promise<Consumption> => {
    let settled = false;
    const settle = (): void => {
      if (settled) return;
      settled = true;
      onSettled();
    };
    if (from_seq === 1) catchUp.reset();
    const opened = await consumeStream({
      connection,
      stream,
      subject,
      from_seq,
      onMessage: ({ seq, data, info }) => {
        // What comes after a pause is asked for again.
        if (paused || signal.aborted) return;
        from_seq = seq + 1;
        take(data);
        catchUp.seen(seq);
        if (info.pending === 0) settle();
      },
    });
    if (opened.waiting === 0) settle();
    return opened;
  };

  /** Until it is paused, or broken, or stopped. */
  const consume = async (): Promise<void> => {
    const own = await open();
    consumption = own;
    unavailable = false;
    first.done();
    unlisten();
    const held = async (): Promise<false> => {
      while (!paused && !signal.aborted && consumption === own) await turned.next({ signal });
      return false;
    };
    const broken = await Promise.race([own.over.then(() => true), held()]);
    consumption = undefined;
    turned.ring();
    await own.stop();
    if (broken) from_seq = 1;
  };

  const first = once();
  const run = async (): Promise<void> => {
    let failures = 0;
    while (!signal.aborted && !connection.isClosed()) {
      if (paused) {
        await turned.next({ signal });
        continue;
      }
      try {
        await consume();
        failures = 0;
      } catch (error) {
        log.debug('output_not_followed', { task_id, ...errorFields(error) });
        unavailable = true;
        listen();
        first.done();
        await turned.next({ signal, limit_ms: LOOK_AGAIN_MS[failures] ?? LAST_LOOK_AGAIN_MS });
        failures += 1;
      }
    }
    unlisten();
  };
  const running = run();

  return {
    async caughtUp() {
      await first.happened;
      if (!unavailable) await catchUp.done(signal);
    },
    pause() {
      paused = true;
      turned.ring();
    },
    resume() {
      if (!paused) return;
      paused = false;
      turned.ring();
    },
    async stop() {
      stopping.abort();
      first.done();
      await running;
    },
  };
}

function once(): { readonly happened: Promise<void>; done(): void } {
  let done = (): void => undefined;
  const happened = new Promise<void>(resolve => {
    done = resolve;
  });
  return {
    happened,
    done: () => {
      done();
    },
  };
}
