/**
 * How full the stores are, and whether they take something new. What was accepted since the last reading is added to
 * it, and something is kept free for what accepted tasks have still to write.
 */
import { CcliError } from '../protocol/errors.ts';
import { STORE_FULL_SHARE } from '../protocol/limits.ts';
import type { FleetStatus } from '../protocol/operation.ts';
import type { Stores } from './provision.ts';
import { available } from './store-error.ts';

export type Usage = FleetStatus['store'];

/** Bytes that something new would take. */
export interface Need {
  readonly tasks: number;
  readonly blobs: number;
}

export interface StoreUsage {
  /** Reads it anew; to be called every second or so. @throws CcliError `store_unavailable` */
  refresh(): Promise<void>;
  /** As it was read last. */
  read(): Usage;
  /** Used share of the fuller one of the two stores that a purge relieves. */
  share(): number;
  /** Why there is no room for it, if so: a CcliError `store_full`. */
  refusal(need: Need): CcliError | undefined;
  /** It is being accepted. */
  count(need: Need): void;
}

interface UsageOptions {
  readonly stores: Stores;
  /** Tasks that have not ended. */
  readonly unfinished: () => number;
}

/** States, a short answer and a cancel of one task. */
const RESERVED_BYTES = 4 * 1024;
const MIB = 1024 * 1024;

const NO_NEED: Need = { tasks: 0, blobs: 0 };
const NOTHING = { bytes: 0, max_bytes: 0 };
const shareOf = ({ bytes, max_bytes }: Usage['tasks']): number => (max_bytes > 0 ? bytes / max_bytes : 0);

export function createStoreUsage({ stores, unfinished }: UsageOptions): StoreUsage {
  const { manager, streams } = stores;
  let usage: Usage = { tasks: NOTHING, blobs: NOTHING, reports: NOTHING };
  /** Accepted since the last reading began, and since the one before: a write may take a while after it was counted. */
  let recent = NO_NEED;
  let earlier = NO_NEED;

  const readStream = async (stream: string): Promise<Usage['tasks']> => {
    const { state, config } = await available(manager.streams.info(stream));
    return { bytes: state.bytes, max_bytes: Math.max(0, config.max_bytes) };
  };

  return {
    async refresh() {
      const before = recent;
      const [tasks, blobs, reports] = await Promise.all([
        readStream(streams.tasks),
        readStream(streams.blobs),
        readStream(streams.reports),
      ]);
      usage = { tasks, blobs, reports };
      earlier = before;
      recent = { tasks: recent.tasks - before.tasks, blobs: recent.blobs - before.blobs };
    },
    read: () => usage,
    share: () => Math.max(shareOf(usage.tasks), shareOf(usage.blobs)),
    refusal(need) {
      const reserved = unfinished() * RESERVED_BYTES;
      const { tasks, blobs, reports } = usage;
      return (
        refusalOf('tasks', tasks, earlier.tasks + recent.tasks + reserved, need.tasks) ??
        refusalOf('blobs', blobs, earlier.blobs + recent.blobs, need.blobs) ??
        refusalOf('reports', reports, 0, 0)
      );
    },
    count(need) {
      recent = { tasks: recent.tasks + need.tasks, blobs: recent.blobs + need.blobs };
    },
  };
}

function refusalOf(
  name: keyof Usage,
  { bytes, max_bytes }: Usage['tasks'],
  promised: number,
  more: number,
): CcliError | undefined {
  if (max_bytes === 0 || bytes + promised + more <= STORE_FULL_SHARE * max_bytes) return undefined;
  const mib = (amount: number): string => (amount / MIB).toFixed(1);
  const figures = `${mib(bytes + promised)} of ${mib(max_bytes)} MiB are used or promised`;
  const limit = `nothing new is taken above ${STORE_FULL_SHARE * 100} %`;
  const remedy =
    name === 'reports'
      ? 'It empties by itself once the coordinator keeps up; try again, or raise `store.reports`.'
      : `Raise \`store.${name}\`, keep less \`history\`, or try again when older tasks have been purged.`;
  return new CcliError('store_full', `The store of ${name} is full: ${figures}, and ${limit}. ${remedy}`);
}
