/**
 * The tasks as they are kept: requests, states, results and cancels in one bucket, long texts as slices in another.
 * Decisions are made by compare-and-set on revisions, never by what a read has said.
 */
import { createHash } from 'node:crypto';
import { JetStreamApiCodes, JetStreamApiError } from '@nats-io/jetstream';
import type { KvWatchEntry } from '@nats-io/kv';
import { RequestError, TimeoutError } from '@nats-io/nats-core';
import { decode, encode } from '../protocol/codec.ts';
import { CcliError } from '../protocol/errors.ts';
import { parseTaskKey, promptBlob, resultBlob, type TaskRecord, taskKey } from '../protocol/subjects.ts';
import {
  type CancelRecord,
  CancelRecordSchema,
  type TaskRequest,
  TaskRequestSchema,
  type TaskResult,
  TaskResultSchema,
  type TaskState,
  TaskStateSchema,
} from '../protocol/task.ts';
import { join, type TextRef } from '../protocol/text.ts';
import type { Stores } from './provision.ts';
import { createRecent } from './recent.ts';

export type StoreChange =
  | {
      readonly record: 'request';
      readonly request: TaskRequest;
      readonly revision: number;
      readonly created_at_ms: number;
    }
  | { readonly record: 'state'; readonly state: TaskState; readonly revision: number }
  | { readonly record: 'cancel'; readonly cancel: CancelRecord };

interface Watched {
  /** Undefined for a record that cannot be read, or that the mirror has no use for. */
  readonly change: StoreChange | undefined;
  readonly key: string;
  readonly failure?: unknown;
  /** Whether everything that was there at the start has now been seen. */
  readonly caught_up: boolean;
}

export interface TaskStore {
  /** @returns the revision, or undefined when the id is taken. @throws CcliError `store_unavailable`, `store_full` */
  createRequest(request: TaskRequest): Promise<number | undefined>;
  request(
    task_id: string,
  ): Promise<{ request: TaskRequest; revision: number; created_at_ms: number } | undefined>;
  state(task_id: string): Promise<{ state: TaskState; revision: number } | undefined>;
  /** @param revision 0 for the first state. @returns the new revision, or undefined when somebody else was faster. */
  writeState(state: TaskState, revision: number): Promise<number | undefined>;
  /** @returns false when there is a result already: the first one stands. */
  createResult(result: TaskResult): Promise<boolean>;
  result(task_id: string): Promise<TaskResult | undefined>;
  /** Idempotent. */
  createCancel(cancel: CancelRecord): Promise<void>;
  /** Everything there is, then every change, until `signal` aborts. */
  watch(signal: AbortSignal): AsyncIterable<Watched>;
  /** Whether there is nothing to catch up with. */
  isEmpty(): Promise<boolean>;
  putPromptSlice(task_id: string, index: number, bytes: Uint8Array): Promise<void>;
  putResultSlice(task_id: string, attempt: number, index: number, bytes: Uint8Array): Promise<void>;
  promptSlice(task_id: string, index: number): Promise<Uint8Array | undefined>;
  resultSlice(task_id: string, attempt: number, index: number): Promise<Uint8Array | undefined>;
  hasResultSlices(task_id: string, attempt: number, slices: number): Promise<boolean>;
  /** @throws CcliError `slices_incomplete` unless every slice is there and they add up to `ref`. */
  verifyPrompt(task_id: string, ref: TextRef): Promise<string>;
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

export function createTaskStore({ tasks, blobs }: Stores): TaskStore {
  const requests = createRecent<{ request: TaskRequest; revision: number; created_at_ms: number }>();
  const results = createRecent<TaskResult>();

  const read = async <T>(task_id: string, record: TaskRecord, parse: (bytes: Uint8Array) => T) => {
    const entry = await available(tasks.get(taskKey(task_id, record)));
    if (entry === null || entry.operation !== 'PUT') return undefined;
    return { value: parse(entry.value), revision: entry.revision, created_at_ms: entry.created.getTime() };
  };

  const putBlob = async (name: string, bytes: Uint8Array): Promise<void> => {
    await available(blobs.putBlob({ name }, bytes));
  };
  const getBlob = async (name: string): Promise<Uint8Array | undefined> =>
    (await available(blobs.getBlob(name))) ?? undefined;

  return {
    async createRequest(request) {
      const key = taskKey(request.task_id, 'request');
      const revision = await unlessTaken(tasks.create(key, encode(TaskRequestSchema, request)));
      if (revision !== undefined)
        requests.put(request.task_id, { request, revision, created_at_ms: Date.now() });
      return revision;
    },
    async request(task_id) {
      const known = requests.get(task_id);
      if (known !== undefined) return known;
      const found = await read(task_id, 'request', bytes => decode(TaskRequestSchema, bytes));
      return found && { request: found.value, revision: found.revision, created_at_ms: found.created_at_ms };
    },
    async state(task_id) {
      const found = await read(task_id, 'state', bytes => decode(TaskStateSchema, bytes));
      return found && { state: found.value, revision: found.revision };
    },
    writeState(state, revision) {
      const key = taskKey(state.task_id, 'state');
      const bytes = encode(TaskStateSchema, state);
      return unlessTaken(revision === 0 ? tasks.create(key, bytes) : tasks.update(key, bytes, revision));
    },
    async createResult(result) {
      const revision = await unlessTaken(
        tasks.create(taskKey(result.task_id, 'result'), encode(TaskResultSchema, result)),
      );
      if (revision !== undefined) results.put(result.task_id, result);
      return revision !== undefined;
    },
    async result(task_id) {
      const known = results.get(task_id);
      if (known !== undefined) return known;
      return (await read(task_id, 'result', bytes => decode(TaskResultSchema, bytes)))?.value;
    },
    async createCancel(cancel) {
      await unlessTaken(tasks.create(taskKey(cancel.task_id, 'cancel'), encode(CancelRecordSchema, cancel)));
    },
    async *watch(signal) {
      const entries = await tasks.watch();
      const stop = (): void => {
        entries.stop();
      };
      signal.addEventListener('abort', stop);
      try {
        for await (const entry of entries) yield understand(entry);
      } finally {
        signal.removeEventListener('abort', stop);
        stop();
      }
    },
    async isEmpty() {
      return (await available(tasks.status())).values === 0;
    },
    putPromptSlice: (task_id, index, bytes) => putBlob(promptBlob(task_id, index), bytes),
    putResultSlice: (task_id, attempt, index, bytes) => putBlob(resultBlob(task_id, attempt, index), bytes),
    promptSlice: (task_id, index) => getBlob(promptBlob(task_id, index)),
    resultSlice: (task_id, attempt, index) => getBlob(resultBlob(task_id, attempt, index)),
    async hasResultSlices(task_id, attempt, slices) {
      for (let index = 0; index < slices; index += 1) {
        if ((await available(blobs.info(resultBlob(task_id, attempt, index)))) === null) return false;
      }
      return true;
    },
    async verifyPrompt(task_id, ref) {
      const slices: (Uint8Array | undefined)[] = [];
      for (let index = 0; index < ref.slices; index += 1)
        slices.push(await getBlob(promptBlob(task_id, index)));
      return join(slices, ref, sha256);
    },
  };
}

function understand(entry: KvWatchEntry): Watched {
  const { key, revision } = entry;
  const caught_up = entry.delta === 0;
  const parsed = parseTaskKey(key);
  if (parsed === undefined || parsed.record === 'result' || entry.operation !== 'PUT') {
    return { change: undefined, key, caught_up };
  }
  try {
    return { change: changeOf(parsed.record, entry, revision), key, caught_up };
  } catch (failure) {
    return { change: undefined, key, failure, caught_up };
  }
}

function changeOf(record: Exclude<TaskRecord, 'result'>, entry: KvWatchEntry, revision: number): StoreChange {
  switch (record) {
    case 'request': {
      const request = decode(TaskRequestSchema, entry.value);
      return { record, request, revision, created_at_ms: entry.created.getTime() };
    }
    case 'state':
      return { record, state: decode(TaskStateSchema, entry.value), revision };
    case 'cancel':
      return { record, cancel: decode(CancelRecordSchema, entry.value) };
  }
}

/** Somebody else's write came first. */
export const isTaken = (error: unknown): boolean =>
  error instanceof JetStreamApiError &&
  (error.code === JetStreamApiCodes.StreamWrongLastSequence ||
    error.code === JetStreamApiCodes.StreamWrongLastSequenceUnknown);

async function unlessTaken(write: Promise<number>): Promise<number | undefined> {
  try {
    return await write;
  } catch (error) {
    if (isTaken(error)) return undefined;
    throw storeError(error);
  }
}

async function available<T>(operation: Promise<T>): Promise<T> {
  try {
    return await operation;
  } catch (error) {
    throw storeError(error);
  }
}

/** JetStream's own words for a store that has reached its bound. */
const FULL = /maximum bytes exceeded|insufficient (storage|resources)|no space left/;

function storeError(cause: unknown): unknown {
  if (cause instanceof CcliError) return cause;
  if (cause instanceof Error && FULL.test(cause.message))
    return new CcliError('store_full', undefined, { cause });
  if (cause instanceof JetStreamApiError || cause instanceof RequestError || cause instanceof TimeoutError) {
    return new CcliError('store_unavailable', undefined, { cause });
  }
  return new CcliError('store_unavailable', 'The task store could not be reached; try again.', { cause });
}
