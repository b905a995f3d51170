/** Long texts in the object store, one object a slice. */
import { createHash } from 'node:crypto';
import { deadline } from '@nats-io/nats-core';
import { SLICE_BYTES } from '../protocol/limits.ts';
import { promptBlob, resultBlob, uploadBlob } from '../protocol/subjects.ts';
import type { TaskRequest } from '../protocol/task.ts';
import { join, type TextRef } from '../protocol/text.ts';
import type { Stores } from './provision.ts';
import { readObject } from './read-object.ts';
import { available } from './store-error.ts';

export interface SliceStore {
  putUpload(task_id: string, index: number, bytes: Uint8Array): Promise<void>;
  /** @throws CcliError `slices_incomplete` unless every slice was uploaded and they add up to `ref`. */
  uploaded(task_id: string, ref: TextRef): Promise<{ text: string; slices: Uint8Array[] }>;
  putPrompt(task_id: string, ref: TextRef, slices: readonly Uint8Array[]): Promise<void>;
  /** Of a prompt that its request only refers to; undefined when there is no such slice. */
  promptSlice(
    request: Pick<TaskRequest, 'task_id' | 'prompt'>,
    index: number,
  ): Promise<Uint8Array | undefined>;
  putResultSlice(task_id: string, attempt: number, index: number, bytes: Uint8Array): Promise<void>;
  resultSlice(task_id: string, attempt: number, index: number): Promise<Uint8Array | undefined>;
  hasResultSlices(task_id: string, attempt: number, slices: number): Promise<boolean>;
}

/** Of all that one object takes. */
const READ_TIMEOUT_MS = 10_000;

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

export function createSliceStore({
  blobs,
  manager,
  streams,
}: Pick<Stores, 'blobs' | 'manager' | 'streams'>): SliceStore {
  const source = { blobs, manager, stream: streams.blobs };
  const put = async (name: string, bytes: Uint8Array): Promise<void> => {
    // One message a slice: half the round trips of the library's own chunks.
    await available(blobs.putBlob({ name, options: { max_chunk_size: SLICE_BYTES } }, bytes));
  };
  const get = (name: string): Promise<Uint8Array | undefined> =>
    available(deadline(readObject(source, name), READ_TIMEOUT_MS));

  return {
    putUpload: (task_id, index, bytes) => put(uploadBlob(task_id, index), bytes),
    async uploaded(task_id, ref) {
      const slices: Uint8Array[] = [];
      for (let index = 0; index < ref.slices; index += 1) {
        const slice = await get(uploadBlob(task_id, index));
        if (slice !== undefined) slices[index] = slice;
      }
      return { text: join(slices, ref, sha256), slices };
    },
    async putPrompt(task_id, ref, slices) {
      for (const [index, slice] of slices.entries()) await put(promptBlob(task_id, ref.sha256, index), slice);
    },
    async promptSlice({ task_id, prompt }, index) {
      return 'ref' in prompt ? await get(promptBlob(task_id, prompt.ref.sha256, index)) : undefined;
    },
    putResultSlice: (task_id, attempt, index, bytes) => put(resultBlob(task_id, attempt, index), bytes),
    resultSlice: (task_id, attempt, index) => get(resultBlob(task_id, attempt, index)),
    async hasResultSlices(task_id, attempt, slices) {
      for (let index = 0; index < slices; index += 1) {
        if ((await available(blobs.info(resultBlob(task_id, attempt, index)))) === null) return false;
      }
      return true;
    },
  };
}
