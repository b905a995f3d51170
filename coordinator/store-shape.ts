/** Whether a stream that bears one of our names is one of ours. A stranger's is never changed. */
import {
  DiscardPolicy,
  type JetStreamManager,
  type RetentionPolicy,
  type StorageType,
  type StreamConfig,
  type StreamInfo,
} from '@nats-io/jetstream';
import { CcliError } from '../protocol/errors.ts';
import { isMissing } from './store-error.ts';

export interface Shape {
  readonly stream: string;
  readonly subjects: readonly string[];
  readonly retention: RetentionPolicy;
  readonly storage: StorageType;
  /** Whether it must refuse what there is no room for, and drop nothing by age. */
  readonly keeps: boolean;
}

/** @returns what is there, by name. @throws CcliError `store_damaged` naming the stream that is not ours, and why. */
export async function checkStreams(
  manager: JetStreamManager,
  shapes: readonly Shape[],
): Promise<ReadonlyMap<string, StreamInfo>> {
  const found = new Map<string, StreamInfo>();
  for (const shape of shapes) {
    const info = await manager.streams.info(shape.stream).catch((error: unknown) => {
      if (isMissing(error)) return undefined;
      throw error;
    });
    if (info === undefined) continue;
    const strange = strangeness(info.config, shape);
    if (strange !== undefined) {
      throw new CcliError(
        'store_damaged',
        `The stream ${shape.stream} is not one that ccli made: ${strange}. Move it away, or use another \`prefix\`. Nothing was changed.`,
      );
    }
    found.set(shape.stream, info);
  }
  return found;
}

function strangeness(config: StreamConfig, shape: Shape): string | undefined {
  const { subjects, retention, storage, discard, max_age, mirror, sources, sealed, deny_purge } = config;
  if (mirror !== undefined || (sources !== undefined && sources.length > 0))
    return 'it copies another stream';
  if ([...subjects].sort().join() !== [...shape.subjects].sort().join())
    return `its subjects are ${subjects.join(', ')}`;
  if (retention !== shape.retention) return `its retention is ${retention}`;
  if (storage !== shape.storage) return `its storage is ${storage}`;
  if (sealed || deny_purge) return 'it cannot be changed or purged';
  if (shape.keeps && discard !== DiscardPolicy.New) return 'it drops old messages when it is full';
  if (shape.keeps && max_age > 0) return 'it drops messages by age';
  return undefined;
}
