/**
 * Removes tasks from the store for good, with the stream's own purge: a full store refuses anything that is written,
 * even a marker that something was deleted.
 *
 *     request ──> result ──> cancel ──> long texts ──> state
 *
 * Without its request a task is no more; the state goes last, since it is what shows that a purge was interrupted.
 * Every step may be repeated. Nothing is touched that was stored after the purge began, or by a newer task of that id.
 */
import { decode } from '../protocol/codec.ts';
import { isPrompt, TASK_RECORDS, type TaskRecord, taskKey } from '../protocol/subjects.ts';
import { isTerminal, TaskStateSchema } from '../protocol/task.ts';
import { createBlobPurge } from './blob-purge.ts';
import type { Stores } from './provision.ts';
import { available } from './store-error.ts';

export interface PurgeRun {
  /**
   * @param seq of the task that is meant
   * @returns whether it is gone now; false when it turns out not to have ended
   */
  task(task_id: string, seq: number): Promise<boolean>;
  /** What is left of tasks of this id whose request is gone. */
  remnants(task_id: string): Promise<void>;
}

/** @returns a run that knows what is in the stores now. It is of use for seconds, not for hours. */
export async function beginPurge(stores: Stores): Promise<PurgeRun> {
  const { tasks, manager, streams, names } = stores;
  const blobs = createBlobPurge(stores);
  const { state } = await available(manager.streams.info(streams.tasks));
  const index = await blobs.index();

  const live = async (task_id: string, record: TaskRecord) => {
    const entry = await available(tasks.get(taskKey(task_id, record)));
    return entry?.operation === 'PUT' ? entry : undefined;
  };

  /** Up to, and without, revision `end`. */
  const removeRecord = async (task_id: string, record: TaskRecord, end: number): Promise<void> => {
    const filter = `$KV.${names.tasksBucket}.${taskKey(task_id, record)}`;
    await available(manager.streams.purge(streams.tasks, { filter, seq: end }));
  };

  /** @param prompts false where a submit of the same id may be storing its prompt, ahead of its request, right now */
  const removeAll = async (task_id: string, prompts: boolean): Promise<void> => {
    const end = state.last_seq + 1;
    for (const record of TASK_RECORDS) if (record !== 'state') await removeRecord(task_id, record, end);
    for (const name of index.by_task.get(task_id) ?? [])
      if (prompts || !isPrompt(name)) await blobs.remove(name, index.last_seq);
    await removeRecord(task_id, 'state', end);
  };

  /** A newer task has the id: its records and texts stay. */
  const removeOlder = async (task_id: string, end: number): Promise<void> => {
    for (const record of TASK_RECORDS) if (record !== 'request') await removeRecord(task_id, record, end);
  };

  return {
    async task(task_id, seq) {
      // Read after `last_seq`: as long as this is the task that is meant, all before that belongs to it.
      const request = await live(task_id, 'request');
      if (request !== undefined && request.revision !== seq) {
        await removeOlder(task_id, request.revision);
        return true;
      }
      if (request !== undefined) {
        const ended = await live(task_id, 'state');
        if (ended === undefined || ended.revision < seq) return false;
        if (!isTerminal(decode(TaskStateSchema, ended.value).status)) return false;
      }
      await removeAll(task_id, request !== undefined);
      return true;
    },
    async remnants(task_id) {
      const request = await live(task_id, 'request');
      if (request === undefined) await removeAll(task_id, false);
      else await removeOlder(task_id, request.revision);
    },
  };
}
