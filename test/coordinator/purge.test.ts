import type { JetStreamManager } from '@nats-io/jetstream';
import { describe, expect, test } from 'vitest';
import { removeLeftoverBlobs } from '../../coordinator/leftover-blobs.ts';
import { createMirror, type Mirror } from '../../coordinator/mirror.ts';
import type { Stores } from '../../coordinator/provision.ts';
import { beginPurge } from '../../coordinator/purge.ts';
import type { TaskStore } from '../../coordinator/store.ts';
import { requestOf, stateOf, storeEnded, testStores } from './task-store.ts';

const SLICE = new Uint8Array(300_000).fill(7);
const isSlice = (bytes: Uint8Array | undefined): boolean => Buffer.from(bytes ?? []).equals(SLICE);

/** Ends each run of the purge after so many removals, as a coordinator does that dies in the middle. */
function dyingAfter(stores: Stores, removals: number): Stores {
  let left = removals;
  const { streams } = stores.manager;
  const purge: JetStreamManager['streams']['purge'] = (stream, options) => {
    if (left === 0) return Promise.reject(new Error('died'));
    left -= 1;
    return streams.purge(stream, options);
  };
  const instead = <T extends object>(target: T, replaced: string, by: unknown): T =>
    new Proxy(target, {
      get: (own, name): unknown => {
        if (name === replaced) return by;
        const value: unknown = Reflect.get(own, name);
        return typeof value === 'function' ? (value.bind(own) as unknown) : value;
      },
    });
  return {
    ...stores,
    manager: instead(stores.manager, 'streams', instead(streams, 'purge', purge)),
  };
}

/** What a coordinator that starts now makes of the store. */
async function freshMirror(store: TaskStore): Promise<Mirror> {
  const mirror = createMirror({ clock: () => 0, onChange: () => undefined });
  const stop = new AbortController();
  if ((await store.lastWatched()) === 0) return mirror;
  for await (const { change, caught_up } of store.watch(stop.signal)) {
    if (change !== undefined) mirror.apply(change);
    if (caught_up) stop.abort();
  }
  return mirror;
}

async function keysOf(store: TaskStore): Promise<string[]> {
  const keys: string[] = [];
  for await (const key of await store.keys()) keys.push(key);
  return keys.sort();
}

const messages = async ({ manager, streams }: Stores): Promise<number[]> =>
  await Promise.all(
    [streams.tasks, streams.blobs].map(async name => (await manager.streams.info(name)).state.messages),
  );

async function endedWithTexts(store: TaskStore, task_id: string): Promise<number> {
  const seq = await storeEnded(store, task_id);
  const ref = { slices: 1, size_bytes: SLICE.byteLength, sha256: 'ab'.repeat(32) };
  await store.putPrompt(task_id, ref, [SLICE]);
  await store.putResultSlice(task_id, 1, 0, SLICE);
  return seq;
}

/** Request, result, cancel; the bytes and the name of each of two objects; state. */
const REMOVALS = 8;

describe('a purge', () => {
  test('removes everything of a task and nothing of another', async () => {
    const { stores, store } = await testStores();
    const seq = await endedWithTexts(store, 'old');
    await endedWithTexts(store, 'kept');
    const run = await beginPurge(stores);
    expect(await run.task('old', seq)).toBe(true);
    store.forget('old');
    expect(await keysOf(store)).toEqual(['kept.cancel', 'kept.request', 'kept.result', 'kept.state']);
    expect(isSlice(await store.resultSlice('kept', 1, 0))).toBe(true);
    expect(await store.resultSlice('old', 1, 0)).toBeUndefined();
    expect(await store.request('old')).toBeUndefined();
    expect(await run.task('old', seq)).toBe(true);
  });

  test('spares a task that has not ended', async () => {
    const { stores, store } = await testStores();
    const seq = (await store.createRequest(requestOf('live'))) ?? 0;
    expect(await (await beginPurge(stores)).task('live', seq)).toBe(false);
    await store.writeState(stateOf('live', 'running'), 0);
    expect(await (await beginPurge(stores)).task('live', seq)).toBe(false);
    expect(await keysOf(store)).toEqual(['live.request', 'live.state']);
  });

  test('spares what was written after it began', async () => {
    const { stores, store } = await testStores();
    const seq = await endedWithTexts(store, 'a');
    const run = await beginPurge(stores);
    const first = await beginPurge(stores);
    expect(await first.task('a', seq)).toBe(true);
    const again = (await store.createRequest(requestOf('a', 'another one'))) ?? 0;
    await store.putResultSlice('a', 1, 0, SLICE);
    await store.writeState(stateOf('a', 'completed'), 0);
    expect(await run.task('a', seq)).toBe(true);
    await run.remnants('a');
    expect(await keysOf(store)).toEqual(['a.request', 'a.state']);
    expect((await store.request('a'))?.revision).toBe(again);
    expect(isSlice(await store.resultSlice('a', 1, 0))).toBe(true);
  });

  test.each(Array.from({ length: REMOVALS }, (_, index) => index))(
    'interrupted after %i removals is finished by the next coordinator',
    async removals => {
      const { stores, store } = await testStores();
      const seq = await endedWithTexts(store, 'a');
      const dying = await beginPurge(dyingAfter(stores, removals));
      await expect(dying.task('a', seq)).rejects.toMatchObject({ code: 'store_unavailable' });
      store.forget('a');

      const mirror = await freshMirror(store);
      const run = await beginPurge(stores);
      for (const { task_id, seq: found } of mirror.all()) expect(await run.task(task_id, found)).toBe(true);
      for (const task_id of mirror.orphans()) await run.remnants(task_id);
      // A prompt without a request may be one that is being submitted: only its age tells.
      await removeLeftoverBlobs({ stores, mirror, age: () => Number.POSITIVE_INFINITY });
      expect(await messages(stores)).toEqual([0, 0]);
    },
  );

  test.each(Array.from({ length: REMOVALS - 1 }, (_, index) => index + 1))(
    'interrupted after %i removals leaves nothing that a new task of that id could take for its own',
    async removals => {
      const { stores, store } = await testStores();
      const old = await endedWithTexts(store, 'a');
      const dying = await beginPurge(dyingAfter(stores, removals));
      await expect(dying.task('a', old)).rejects.toMatchObject({ code: 'store_unavailable' });
      store.forget('a');

      const seq = (await store.createRequest(requestOf('a', 'another one'))) ?? 0;
      const mirror = await freshMirror(store);
      const entry = mirror.get('a');
      expect(entry).toMatchObject({ seq, state: { status: 'queued' }, cancel_requested: false });
      expect(await store.result('a', seq)).toBeUndefined();

      // The leader goes on with what it had begun, at the worst moment: between two steps of the new task.
      const revision = await store.writeState(stateOf('a', 'assigned'), entry?.state_revision ?? 0);
      expect(revision).toBeDefined();
      await (await beginPurge(stores)).remnants('a');
      await (await beginPurge(stores)).task('a', old);
      expect(await store.createCancel({ v: 1, task_id: 'a', caller: 'local' }, seq)).toBeGreaterThan(seq);
      const answer = {
        v: 1,
        task_id: 'a',
        attempt: 1,
        text: { inline: 'another answer' },
        completeness: 'whole' as const,
        run_ms: 1,
        warm: true,
      };
      expect(await store.createResult(answer, seq)).toBe(true);
      expect(await store.createResult({ ...answer, attempt: 2 }, seq)).toBe(false);
      expect(await store.writeState(stateOf('a', 'completed'), revision ?? 0)).toBeDefined();
      store.forget('a');
      expect((await store.result('a', seq))?.text).toEqual({ inline: 'another answer' });
      expect((await freshMirror(store)).get('a')).toMatchObject({
        state: { status: 'completed' },
        cancel_requested: true,
      });
    },
  );

  test('works in a store that takes not one message more', async () => {
    const { stores, store } = await testStores({ tasks: 64 * 1024 });
    const seqs = new Map<string, number>();
    const filled = async () => {
      for (let index = 0; ; index += 1) {
        const task_id = `t${index}`;
        seqs.set(task_id, await storeEnded(store, task_id, 'x'.repeat(2_000)));
      }
    };
    await expect(filled()).rejects.toMatchObject({ code: 'store_full' });
    const run = await beginPurge(stores);
    for (const [task_id, seq] of seqs) expect(await run.task(task_id, seq)).toBe(true);
    store.forget('t0');
    expect(await storeEnded(store, 't0')).toBeGreaterThan(0);
  });
});

describe('what comes after a purge', () => {
  test('finds no task: a late look makes none of a state or a cancel', async () => {
    const { stores, store } = await testStores();
    const seq = await storeEnded(store, 'a');
    await (await beginPurge(stores)).task('a', seq);
    store.forget('a');
    await store.createCancel({ v: 1, task_id: 'a', caller: 'local' }, seq);
    const mirror = await freshMirror(store);
    expect(mirror.get('a')).toBeUndefined();
    expect(mirror.orphans()).toEqual(['a']);
    await (await beginPurge(stores)).remnants('a');
    expect(await keysOf(store)).toEqual([]);
  });
});
