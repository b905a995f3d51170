/** Which objects of the blob store belong to which task, and how to remove them for good. */
import { blobTask } from '../protocol/subjects.ts';
import type { Stores } from './provision.ts';
import { available } from './store-error.ts';

export interface BlobIndex {
  /** Names of the objects of each task. */
  readonly by_task: ReadonlyMap<string, readonly string[]>;
  /** The last message of the store when this was read: what comes later is somebody else's. */
  readonly last_seq: number;
}

export interface BlobPurge {
  index(): Promise<BlobIndex>;
  /** When it was stored, by the server's clock; undefined when it is no more. */
  storedAt(name: string): Promise<number | undefined>;
  /** Idempotent. Leaves an object that was stored after `last_seq`. */
  remove(name: string, last_seq: number): Promise<void>;
}

/** The object store's own removal leaves a marker, which a full store refuses to take. */
export function createBlobPurge({ manager, streams, names }: Stores): BlobPurge {
  /** As the client library names it: base64 for URLs, with padding. */
  const metaSubject = (name: string): string => {
    const encoded = Buffer.from(name).toString('base64').replaceAll('+', '-').replaceAll('/', '_');
    return `$O.${names.blobsBucket}.M.${encoded}`;
  };
  return {
    async index() {
      const filter = `$O.${names.blobsBucket}.M.>`;
      const { state } = await available(manager.streams.info(streams.blobs, { subjects_filter: filter }));
      const by_task = new Map<string, string[]>();
      for (const subject of Object.keys(state.subjects ?? {})) {
        const name = Buffer.from(subject.slice(filter.length - 1), 'base64url').toString();
        const task_id = blobTask(name);
        if (task_id === undefined) continue;
        const own = by_task.get(task_id) ?? [];
        own.push(name);
        by_task.set(task_id, own);
      }
      return { by_task, last_seq: state.last_seq };
    },
    async storedAt(name) {
      const last_by_subj = metaSubject(name);
      const stored = await available(manager.streams.getMessage(streams.blobs, { last_by_subj }));
      return stored?.time.getTime();
    },
    async remove(name, last_seq) {
      const last_by_subj = metaSubject(name);
      const stored = await available(manager.streams.getMessage(streams.blobs, { last_by_subj }));
      if (stored === null || stored.seq > last_seq) return;
      const { nuid } = stored.json<{ nuid?: unknown }>();
      // The bytes first: an object is found again by its name, not by its bytes.
      if (typeof nuid === 'string') {
        const filter = `$O.${names.blobsBucket}.C.${nuid}`;
        await available(manager.streams.purge(streams.blobs, { filter }));
      }
      await available(manager.streams.purge(streams.blobs, { filter: last_by_subj, seq: last_seq + 1 }));
    },
  };
}
