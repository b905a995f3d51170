/** Objects that no task needs: uploads, once they are submitted or when they never were, and what an interrupted write or purge left. */
import { deadline } from '@nats-io/nats-core';
import { isUpload, taskKey } from '../protocol/subjects.ts';
import { createBlobPurge } from './blob-purge.ts';
import type { Mirror } from './mirror.ts';
import type { Stores } from './provision.ts';
import { available } from './store-error.ts';

interface LeftoverOptions {
  readonly stores: Stores;
  readonly mirror: Mirror;
  /** How long ago something was stored, from the server's stamp on it; 0 when that is not known. */
  readonly age: (stored_at_ms: number) => number;
}

/** Longer than anybody takes from the first slice of an upload to its submit. */
const LEFT_ALONE_MS = 24 * 3_600_000;
const LIST_TIMEOUT_MS = 60_000;

/** @returns how many objects were removed */
export async function removeLeftoverBlobs({ stores, mirror, age }: LeftoverOptions): Promise<number> {
  const { tasks, blobs, manager, streams, names } = stores;
  const purge = createBlobPurge(stores);
  const { by_task, last_seq } = await purge.index();
  let removed = 0;

  const known = async (task_id: string): Promise<boolean> => {
    if (mirror.get(task_id) !== undefined) return true;
    const request = await available(tasks.get(taskKey(task_id, 'request')));
    return request?.operation === 'PUT';
  };
  const isOld = async (name: string): Promise<boolean> => {
    const stored_at_ms = await purge.storedAt(name);
    return stored_at_ms !== undefined && age(stored_at_ms) >= LEFT_ALONE_MS;
  };

  for (const [task_id, objects] of by_task) {
    const submitted = await known(task_id);
    for (const name of objects) {
      // A task has its prompt in objects of its own: what was uploaded for it has done its service.
      if (submitted ? !isUpload(name) : !(await isOld(name))) continue;
      await purge.remove(name, last_seq);
      removed += 1;
    }
  }

  // Bytes that no object refers to: its writer died before it had named them.
  const objects = await available(deadline(blobs.list(), LIST_TIMEOUT_MS));
  const referred = new Set(objects.map(({ nuid }) => nuid));
  const filter = `$O.${names.blobsBucket}.C.>`;
  const { state } = await available(manager.streams.info(streams.blobs, { subjects_filter: filter }));
  for (const subject of Object.keys(state.subjects ?? {})) {
    if (referred.has(subject.slice(filter.length - 1))) continue;
    const last = await available(manager.streams.getMessage(streams.blobs, { last_by_subj: subject }));
    if (last === null || age(last.time.getTime()) < LEFT_ALONE_MS) continue;
    await available(manager.streams.purge(streams.blobs, { filter: subject }));
    removed += 1;
  }
  return removed;
}
