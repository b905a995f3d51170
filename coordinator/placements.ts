/** Reads back why a task went where it went, from the stream of events. */
import type { JetStreamManager } from '@nats-io/jetstream';
import type { z } from 'zod';
import { decode } from '../protocol/codec.ts';
import { errorFields, type Log } from '../protocol/daemon/log.ts';
import { PlacementEventSchema } from '../protocol/placement.ts';
import type { Names } from '../protocol/subjects.ts';

export interface Placements {
  /** Undefined when it is no longer kept, or cannot be had now: nothing depends on it. */
  read(task_id: string, attempt: number): Promise<z.infer<typeof PlacementEventSchema> | undefined>;
}

interface PlacementsOptions {
  readonly manager: JetStreamManager;
  readonly names: Names;
  readonly log: Log;
}

export function createPlacements({ manager, names, log }: PlacementsOptions): Placements {
  return {
    async read(task_id, attempt) {
      try {
        const last_by_subj = names.placementEvent(task_id, attempt);
        const found = await manager.streams.getMessage(names.eventsStream, { last_by_subj });
        return found === null ? undefined : decode(PlacementEventSchema, found.data);
      } catch (error) {
        log.debug('placement_not_read', { task_id, attempt, ...errorFields(error) });
        return undefined;
      }
    },
  };
}
