/** What a backup is made of, in the order in which it is read. */
import type { Names } from '../../protocol/subjects.ts';

/**
 * Reports first and blobs after the tasks: whatever a task in the backup rests on was stored before it, so it is in
 * what is read later. `output` is left out: it is in memory, and only for watching.
 */
export const STREAM_PARTS = ['reports', 'tasks', 'agents', 'blobs', 'events'] as const;
export type StreamPart = (typeof STREAM_PARTS)[number];

/** The tasks first: from then on no coordinator takes what is there for a store of its own to begin. */
export const RESTORE_ORDER = [
  'tasks',
  'blobs',
  'reports',
  'agents',
  'events',
] as const satisfies StreamPart[];

/** Not a snapshot but its records: a restore writes them one by one, so that the store becomes valid at one moment. */
export const CONTROL = 'control';

export const PARTS = [...STREAM_PARTS, CONTROL] as const;
export type Part = (typeof PARTS)[number];

export const fileOf = (part: Part): string => (part === CONTROL ? 'control.json' : `${part}.snapshot`);

export function streamOf(part: Part, names: Names): string {
  switch (part) {
    case 'reports':
      return names.reportsStream;
    case 'tasks':
      return `KV_${names.tasksBucket}`;
    case 'agents':
      return `KV_${names.agentsBucket}`;
    case 'blobs':
      return `OBJ_${names.blobsBucket}`;
    case 'events':
      return names.eventsStream;
    case 'control':
      return `KV_${names.controlBucket}`;
  }
}
