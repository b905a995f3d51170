/**
 * The tasks as they are kept: requests, states, results and cancels in one bucket, long texts as slices in another.
 * Decisions are made by compare-and-set on revisions, never by what a read has said.
 *
 * A record older than its task's request is what the purge of an earlier task of that id has not reached yet: it
 * counts as absent, but its revision is the one that a compare-and-set must name.
 */
import { JetStreamApiCodes, JetStreamApiError } from '@nats-io/jetstream';
import type { KvWatchEntry } from '@nats-io/kv';
import { InvalidArgumentError } from '@nats-io/nats-core';
import type { z } from 'zod';
import { decode, encode } from '../protocol/codec.ts';
import { parseTaskKey, type TaskRecord, taskKey } from '../protocol/subjects.ts';
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
import type { Stores } from './provision.ts';
import { createRecent } from './recent.ts';
import { createSliceStore, type SliceStore } from './slices.ts';
import { available, isMissing, storeError } from './store-error.ts';

/** What of a request is kept in memory: not its prompt. */
export type RequestHead = Pick<TaskRequest, 'task_id' | 'caller' | 'options' | 'prompt_bytes'>;

export type StoreChange =
  | {
      readonly record: 'request';
      readonly request: RequestHead;
      readonly revision: number;
      /** For display; `age_ms` is what decisions are made from. */
      readonly created_at_ms: number;
      /** How long ago it was stored, by the server's clock; absent for what has just been. */
      readonly age_ms?: number;
    }
  | {
      readonly record: 'state';
      readonly state: TaskState;
      readonly revision: number;
      readonly age_ms?: number;
    }
  | { readonly record: 'cancel'; readonly cancel: CancelRecord; readonly revision: number };

export interface Watched {
  /** Undefined for a record that cannot be read, or that the mirror has no use for. */
  readonly change: StoreChange | undefined;
  readonly key: string;
  readonly revision: number;
  readonly created_at_ms: number;
  readonly failure?: unknown;
  /** Whether everything that was there at the start has now been seen. */
  readonly caught_up: boolean;
}

/** The stream below the tasks, as it is now. */
export interface StoreIdentity {
  readonly created: string;
  readonly last_seq: number;
  /** The server's time. */
  readonly timestamp: string | undefined;
}

export interface StoredRequest {
  readonly request: TaskRequest;
  readonly revision: number;
  readonly created_at_ms: number;
  readonly age_ms: number;
}

/** Everything may throw CcliError `store_unavailable`, and every write `store_full`. */
export interface TaskStore extends SliceStore {
  /** @returns the revision, or undefined when the id is taken. */
  createRequest(request: TaskRequest): Promise<number | undefined>;
  request(task_id: string): Promise<StoredRequest | undefined>;
  state(task_id: string): Promise<{ state: TaskState; revision: number; age_ms: number } | undefined>;
  /** @param revision 0 for the first state. @returns the new revision, or undefined when somebody else was faster. */
  writeState(state: TaskState, revision: number): Promise<number | undefined>;
  /**
   * @param request_revision of the task's request, which is `seq` of its entry
   * @returns false when there is a result already: the first one stands.
   */
  createResult(result: TaskResult, request_revision: number): Promise<boolean>;
  result(task_id: string, request_revision: number): Promise<TaskResult | undefined>;
  /** Idempotent. @returns the revision of the cancel that stands. */
  createCancel(cancel: CancelRecord, request_revision: number): Promise<number>;
  /**
   * The newest of each request, state and cancel, or with `from_revision` each change from there on; then every
   * change, until `signal` aborts.
   */
  watch(signal: AbortSignal, from_revision?: number): AsyncIterable<Watched>;
  /** Revision of the newest request, state or cancel; 0 when there is none. */
  lastWatched(): Promise<number>;
  /** Undefined when there is no such stream. */
  identity(): Promise<StoreIdentity | undefined>;
  /** When the record with this revision was stored; undefined when it is no more. */
  storedAt(revision: number): Promise<number | undefined>;
  /** Every key there is. */
  keys(): Promise<AsyncIterable<string>>;
  /** A task of this id was purged, or there is a newer one: what this process remembers of it is void. */
  forget(task_id: string): void;
  forgetAll(): void;
}

const WATCHED = ['*.request', '*.state', '*.cancel'];

/** @param age how long ago something was stored, from the server's stamp on it */
export function createTaskStore(stores: Stores, age: (stored_at_ms: number) => number = () => 0): TaskStore {
  const { tasks, manager, streams, names } = stores;
  const requests = createRecent<StoredRequest>();
  const results = createRecent<{ result: TaskResult; revision: number }>();

  const read = async <T>(task_id: string, record: TaskRecord, schema: z.ZodType<T>) => {
    const entry = await available(tasks.get(taskKey(task_id, record)));
    if (entry === null || entry.operation !== 'PUT') return undefined;
    const created_at_ms = entry.created.getTime();
    return {
      value: decode(schema, entry.value),
      revision: entry.revision,
      created_at_ms,
      age_ms: age(created_at_ms),
    };
  };

  /** Creates a record, or replaces a remnant of an earlier task. @returns undefined when it is there already. */
  const createFor = async (
    key: string,
    bytes: Uint8Array,
    request_revision: number,
  ): Promise<number | undefined> => {
    const created = await unlessTaken(tasks.create(key, bytes));
    if (created !== undefined) return created;
    const standing = await available(tasks.get(key));
    if (standing === null || standing.revision >= request_revision) return undefined;
    return await unlessTaken(tasks.update(key, bytes, standing.revision));
  };

  return {
    ...createSliceStore(stores),
    async createRequest(request) {
      const key = taskKey(request.task_id, 'request');
      const revision = await unlessTaken(tasks.create(key, encode(TaskRequestSchema, request)));
      if (revision !== undefined)
        requests.put(request.task_id, { request, revision, created_at_ms: Date.now(), age_ms: 0 });
      return revision;
    },
    async request(task_id) {
      const known = requests.get(task_id);
      if (known !== undefined) return known;
      const found = await read(task_id, 'request', TaskRequestSchema);
      if (found === undefined) return undefined;
      const { value: request, ...stored } = found;
      return { request, ...stored };
    },
    async state(task_id) {
      const found = await read(task_id, 'state', TaskStateSchema);
      return found && { state: found.value, revision: found.revision, age_ms: found.age_ms };
    },
    writeState(state, revision) {
      const key = taskKey(state.task_id, 'state');
      const bytes = encode(TaskStateSchema, state);
      return unlessTaken(revision === 0 ? tasks.create(key, bytes) : tasks.update(key, bytes, revision));
    },
    async createResult(result, request_revision) {
      const key = taskKey(result.task_id, 'result');
      const revision = await createFor(key, encode(TaskResultSchema, result), request_revision);
      if (revision !== undefined) results.put(result.task_id, { result, revision });
      return revision !== undefined;
    },
    async result(task_id, request_revision) {
      const known = results.get(task_id);
      if (known !== undefined && known.revision > request_revision) return known.result;
      const found = await read(task_id, 'result', TaskResultSchema);
      return found === undefined || found.revision < request_revision ? undefined : found.value;
    },
    async createCancel(cancel, request_revision) {
      const key = taskKey(cancel.task_id, 'cancel');
      const revision = await createFor(key, encode(CancelRecordSchema, cancel), request_revision);
      return revision ?? (await available(tasks.get(key)))?.revision ?? request_revision;
    },
    async *watch(signal, from_revision) {
      const opened = async (key: string | string[]) =>
        await tasks.watch({
          key,
          ...(from_revision !== undefined && { resumeFromRevision: from_revision }),
        });
      const entries = await opened(WATCHED).catch(async (error: unknown) => {
        // Servers before 2.10 know one filter only: results then come too, and are passed over.
        if (error instanceof InvalidArgumentError) return await opened('>');
        throw storeError(error);
      });
      const stop = (): void => {
        entries.stop();
      };
      signal.addEventListener('abort', stop);
      if (signal.aborted) stop();
      try {
        for await (const entry of entries) yield understand(entry, age);
      } finally {
        signal.removeEventListener('abort', stop);
        stop();
      }
    },
    async lastWatched() {
      const newest = WATCHED.map(async key => {
        const last_by_subj = `$KV.${names.tasksBucket}.${key}`;
        return (await available(manager.streams.getMessage(streams.tasks, { last_by_subj })))?.seq ?? 0;
      });
      return Math.max(...(await Promise.all(newest)));
    },
    async identity() {
      try {
        const { created, state, ts } = await manager.streams.info(streams.tasks);
        return { created, last_seq: state.last_seq, timestamp: ts };
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw storeError(error);
      }
    },
    async storedAt(revision) {
      const message = await available(manager.streams.getMessage(streams.tasks, { seq: revision }));
      return message?.time.getTime();
    },
    keys: () => available(tasks.keys()),
    forgetAll() {
      requests.clear();
      results.clear();
    },
    forget(task_id) {
      requests.forget(task_id);
      results.forget(task_id);
    },
  };
}

function understand(entry: KvWatchEntry, age: (stored_at_ms: number) => number): Watched {
  const { key, revision } = entry;
  const seen = { key, revision, created_at_ms: entry.created.getTime(), caught_up: entry.delta === 0 };
  const parsed = parseTaskKey(key);
  if (parsed === undefined || parsed.record === 'result' || entry.operation !== 'PUT') {
    return { ...seen, change: undefined };
  }
  try {
    return { ...seen, change: changeOf(parsed.record, entry, age(seen.created_at_ms)) };
  } catch (failure) {
    return { ...seen, change: undefined, failure };
  }
}

function changeOf(
  record: Exclude<TaskRecord, 'result'>,
  { value, revision, created }: KvWatchEntry,
  age_ms: number,
): StoreChange {
  switch (record) {
    case 'request': {
      const { task_id, caller, options, prompt_bytes } = decode(TaskRequestSchema, value);
      const request = { task_id, caller, options, prompt_bytes };
      return { record, request, revision, created_at_ms: created.getTime(), age_ms };
    }
    case 'state':
      return { record, state: decode(TaskStateSchema, value), revision, age_ms };
    case 'cancel':
      return { record, cancel: decode(CancelRecordSchema, value), revision };
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
