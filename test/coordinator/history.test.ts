import { describe, expect, test } from 'vitest';
import { createHistory, type History } from '../../coordinator/history.ts';
import { lookUp } from '../../coordinator/lookup.ts';
import { createMirror, type Mirror } from '../../coordinator/mirror.ts';
import { createStoreUsage } from '../../coordinator/store-usage.ts';
import { createLog } from '../../protocol/daemon/log.ts';
import { requestOf, storeEnded, type TestStores, testStores } from './task-store.ts';

const SLICE = new Uint8Array(1_000).fill(7);
const HOUR_MS = 3_600_000;

interface Coordinator {
  readonly history: History;
  readonly mirror: Mirror;
  /** As the watch would. */
  readonly learn: (...task_ids: readonly string[]) => Promise<void>;
}

interface Kind {
  readonly leading?: boolean;
  readonly max_tasks?: number;
  /** How old everything stored is taken to be. */
  readonly age_ms?: number;
}

function coordinator({ stores, store }: TestStores, kind: Kind = {}): Coordinator {
  const { leading = true, max_tasks = 2, age_ms = 0 } = kind;
  const mirror = createMirror({ clock: () => 10 * HOUR_MS, onChange: () => undefined });
  const history = createHistory({
    stores,
    store,
    mirror,
    usage: createStoreUsage({ stores, unfinished: () => 0 }),
    limits: { max_age: 5 * HOUR_MS, max_tasks, min_age: 0 },
    clock: () => 10 * HOUR_MS,
    age: () => age_ms,
    leading: () => leading,
    log: createLog({ level: 'silent', name: 'test' }),
  });
  return {
    history,
    mirror,
    learn: async (...task_ids) => {
      for (const task_id of task_ids) await lookUp(store, mirror, task_id);
    },
  };
}

const idsIn = (mirror: Mirror): string[] => [...mirror.all()].map(({ task_id }) => task_id);

async function idsStored({ store }: TestStores): Promise<string[]> {
  const ids = new Set<string>();
  for await (const key of await store.keys()) ids.add(key.slice(0, key.indexOf('.')));
  return [...ids];
}

describe('the history', () => {
  test('is kept within its bounds by the leader, and leaves alone what has not ended', async () => {
    const found = await testStores();
    await found.store.createRequest(requestOf('live'));
    const ids = ['a', 'b', 'c', 'd'];
    for (const task_id of ids) await storeEnded(found.store, task_id);
    const { history, mirror, learn } = coordinator(found);
    await learn('live', ...ids);
    await history.turn();
    expect(idsIn(mirror)).toEqual(['live', 'c', 'd']);
    expect(await idsStored(found)).toEqual(['live', 'c', 'd']);
  });

  test('is only forgotten by whoever does not lead, and still found in the store', async () => {
    const found = await testStores();
    const ids = ['a', 'b', 'c'];
    for (const task_id of ids) await storeEnded(found.store, task_id);
    const { history, mirror, learn } = coordinator(found, { leading: false });
    await learn(...ids);
    await history.turn();
    expect(idsIn(mirror)).toEqual(['b', 'c']);
    expect(await idsStored(found)).toEqual(ids);
    expect((await lookUp(found.store, mirror, 'a'))?.state.status).toBe('completed');
  });

  test('is taken over whole: a new leader learns of what it had forgotten as a follower', async () => {
    const found = await testStores();
    const ids = ['a', 'b', 'c'];
    for (const task_id of ids) await storeEnded(found.store, task_id);
    const { history, mirror, learn } = coordinator(found);
    await learn('b', 'c');
    await history.turn();
    expect(idsIn(mirror).sort()).toEqual(ids);
    await history.turn();
    expect((await idsStored(found)).length).toBe(2);
  });

  test('has room for a task of the same id again', async () => {
    const found = await testStores();
    await storeEnded(found.store, 'a');
    const { history, learn } = coordinator(found, { max_tasks: 1 });
    await storeEnded(found.store, 'b');
    await learn('a', 'b');
    await history.turn();
    expect(await idsStored(found)).toEqual(['b']);
    await storeEnded(found.store, 'a', 'another prompt');
    expect((await found.store.request('a'))?.request.prompt).toEqual({ inline: 'another prompt' });
  });

  test('is cleared of answers whose task is gone', async () => {
    const found = await testStores();
    await storeEnded(found.store, 'a');
    await found.stores.tasks.put('gone.result', '{}');
    await coordinator(found).history.turn();
    expect(await idsStored(found)).toEqual(['a']);
  });
});

describe('objects that no task needs', () => {
  const upload = async (age_ms: number) => {
    const found = await testStores();
    const { store, stores } = found;
    const ref = { slices: 1, size_bytes: SLICE.byteLength, sha256: 'ab'.repeat(32) };
    await store.createRequest({ ...requestOf('task'), prompt: { ref } });
    await store.putPrompt('task', ref, [SLICE]);
    await store.putResultSlice('task', 1, 0, SLICE);
    await store.putUpload('task', 0, SLICE);
    await store.putUpload('nobody', 0, SLICE);
    await found.connection.request('$O.ccli_blobs.C.unnamed', SLICE);
    const { history, mirror } = coordinator(found, { age_ms });
    await history.turn();
    const objects = (await stores.blobs.list()).map(({ name }) => name).sort();
    const { state } = await found.manager.streams.info(stores.streams.blobs);
    return { objects, mirror, messages: state.messages };
  };

  test('go when they are a day old, and a submitted upload at once', async () => {
    const { objects, messages } = await upload(25 * HOUR_MS);
    expect(objects).toEqual([`task.prompt.${'ab'.repeat(8)}.0`, 'task.result.1.0']);
    expect(messages).toBe(4);
  });

  test('stay as long as somebody may still be at it', async () => {
    const { objects, messages } = await upload(23 * HOUR_MS);
    expect(objects).toEqual(['nobody.upload.0', `task.prompt.${'ab'.repeat(8)}.0`, 'task.result.1.0']);
    expect(messages).toBe(7);
  });
});
