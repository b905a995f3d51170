import { expect, test } from 'vitest';
import { createRetryTask } from '../../coordinator/retry-task.ts';
import type { TaskEntry } from '../../coordinator/task-entry.ts';
import { CcliError } from '../../protocol/errors.ts';
import { INLINE_TEXT_BYTES } from '../../protocol/limits.ts';
import type { SubmitRequest } from '../../protocol/operation.ts';
import { queuedState, type TaskRequest } from '../../protocol/task.ts';
import { cut } from '../../protocol/text.ts';
import { testTaskStore } from './task-store.ts';

const LONG = 'a'.repeat(INLINE_TEXT_BYTES + 1);
const SHA256 = 'f'.repeat(64);

/** A task that has failed, as it stands in a real store; what its retry hands in is only noted. */
async function failed(over: Partial<TaskRequest> = {}) {
  const store = await testTaskStore();
  const request: TaskRequest = {
    v: 1,
    task_id: 'old',
    caller: 'ann',
    prompt: { inline: 'hello' },
    prompt_bytes: 5,
    options: { priority: 1 },
    ...over,
  };
  const seq = (await store.createRequest(request)) ?? 0;
  const entry: TaskEntry = {
    ...request,
    seq,
    created_at_ms: 1,
    accepted_since_ms: 0,
    ended_since_ms: 0,
    state: { ...queuedState('old', 1), status: 'failed' },
    state_revision: seq,
    cancel_requested: false,
    queued_since_ms: 0,
    not_before_ms: 0,
    waiting_for: undefined,
  };
  const submitted: { request: SubmitRequest; caller: string }[] = [];
  const retryOf = (known: TaskEntry, failure?: CcliError) =>
    createRetryTask({
      find: () => Promise.resolve(known),
      store,
      submit: (asked, { caller }) => {
        submitted.push({ request: asked, caller });
        return failure === undefined ? Promise.resolve(entry) : Promise.reject(failure);
      },
    });
  return { store, entry, submitted, retryOf };
}

const context = { caller: 'bob', signal: new AbortController().signal };

test('a retry belongs to whoever asks for it, whoever asked first', async () => {
  const { entry, submitted, retryOf } = await failed();
  await retryOf(entry)({ task_id: 'old' }, context);
  expect(submitted).toEqual([{ request: { prompt: 'hello', priority: 1, retry_of: 'old' }, caller: 'bob' }]);
});

test('a retry is refused as any submit is', async () => {
  const { entry, retryOf } = await failed();
  const full = new CcliError('store_full');
  await expect(retryOf(entry, full)({ task_id: 'old' }, context)).rejects.toBe(full);
});

test('a task whose prompt is gone, or is that of a later task of its id, is not retried', async () => {
  const gone = { ref: { slices: 2, size_bytes: LONG.length, sha256: SHA256 } };
  const { store, entry, submitted, retryOf } = await failed({ prompt: gone, prompt_bytes: LONG.length });
  await expect(retryOf(entry)({ task_id: 'old' }, context)).rejects.toMatchObject({ code: 'task_unknown' });
  await store.putPrompt('old', gone.ref, cut(new TextEncoder().encode(LONG)));
  await expect(retryOf(entry)({ task_id: 'old' }, context)).rejects.toMatchObject({
    code: 'slices_incomplete',
  });
  const earlier = { ...entry, seq: entry.seq - 1 };
  await expect(retryOf(earlier)({ task_id: 'old' }, context)).rejects.toMatchObject({
    code: 'task_unknown',
  });
  expect(submitted).toEqual([]);
});
