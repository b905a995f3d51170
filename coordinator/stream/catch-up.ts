/** Waits until what a subject of a stream holds has been seen. */
import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { createBell } from './bell.ts';

export interface CatchUp {
  seen(seq: number): void;
  /** A stream that is made anew counts from the beginning. */
  reset(): void;
  /** Resolves once everything published so far has been seen; or when nothing comes, since chunks expire. */
  done(signal?: AbortSignal): Promise<void>;
}

interface CatchUpOptions {
  readonly connection: NatsConnection;
  readonly stream: string;
  readonly subject: string;
  /** Nothing can come for the moment, and that is no sign. */
  readonly held?: () => boolean;
}

const IDLE_MS = 2_000;

export function createCatchUp({ connection, stream, subject, held }: CatchUpOptions): CatchUp {
  const bell = createBell();
  let last = 0;
  let target = Number.POSITIVE_INFINITY;

  const newest = async (): Promise<number> => {
    try {
      const manager = await jetstreamManager(connection, { checkAPI: false });
      return (await manager.streams.getMessage(stream, { last_by_subj: subject }))?.seq ?? 0;
    } catch {
      // Without it the end is still right: the whole answer is compared with what was shown.
      return 0;
    }
  };

  return {
    seen(seq) {
      last = seq;
      if (last >= target) bell.ring();
    },
    reset() {
      last = 0;
    },
    async done(signal) {
      target = await newest();
      while (last < target && signal?.aborted !== true) {
        const before = last;
        await bell.next({ limit_ms: IDLE_MS, ...(signal !== undefined && { signal }) });
        if (last === before && held?.() !== true) return;
      }
    },
  };
}
