import { describe, expect, test } from 'vitest';
import { createTaskStore } from '../../coordinator/store.ts';
import { SLICE_BYTES } from '../../protocol/limits.ts';
import { resultBlob } from '../../protocol/subjects.ts';
import { openStores, type TestStores, testStores } from './task-store.ts';

const slice = (fill: number, size = SLICE_BYTES): Uint8Array => new Uint8Array(size).fill(fill);
const same = (found: Uint8Array | undefined, wanted: Uint8Array): boolean =>
  found !== undefined && Buffer.from(found).equals(wanted);

const consumers = async ({ stores, manager }: TestStores): Promise<number> =>
  (await manager.streams.info(stores.streams.blobs)).state.consumer_count;

const chunkSubjects = async ({ stores, manager }: TestStores): Promise<Record<string, number>> => {
  const subjects_filter = `$O.${stores.names.blobsBucket}.C.>`;
  const { state } = await manager.streams.info(stores.streams.blobs, { subjects_filter });
  return state.subjects ?? {};
};

describe('slices of long texts', () => {
  test('are read without leaving a consumer on the server, however often', async () => {
    const fleet = await testStores();
    const { store } = fleet;
    for (let index = 0; index < 4; index += 1) await store.putResultSlice('t', 1, index, slice(index));
    for (let round = 0; round < 300; round += 1) {
      const index = round % 4;
      expect(same(await store.resultSlice('t', 1, index), slice(index))).toBe(true);
    }
    expect(await consumers(fleet)).toBe(0);
  });

  test('are one message each', async () => {
    const fleet = await testStores();
    await fleet.store.putResultSlice('t', 1, 0, slice(7));
    expect(Object.values(await chunkSubjects(fleet))).toEqual([1]);
  });

  test('are read as well when they were stored as several messages, among others', async () => {
    const { store, stores } = await testStores();
    const odd = Uint8Array.from({ length: SLICE_BYTES }, (_byte, at) => at % 251);
    await store.putResultSlice('t', 1, 0, slice(1));
    for (const index of [1, 2]) await stores.blobs.putBlob({ name: resultBlob('t', 1, index) }, odd);
    const name = resultBlob('t', 1, 3);
    await stores.blobs.putBlob({ name, options: { max_chunk_size: 10_000 } }, odd.subarray(5));
    for (const index of [1, 2]) expect(same(await store.resultSlice('t', 1, index), odd)).toBe(true);
    expect(same(await store.resultSlice('t', 1, 3), odd.subarray(5))).toBe(true);
    expect(same(await store.resultSlice('t', 1, 0), slice(1))).toBe(true);
  });

  test('may be stored again, and empty', async () => {
    const { store } = await testStores();
    await store.putUpload('t', 0, slice(1));
    await store.putUpload('t', 0, slice(2, 100));
    await store.putUpload('t', 1, new Uint8Array());
    const ref = { slices: 2, size_bytes: 100, sha256: '0'.repeat(64) };
    // All were found, and are not what was announced.
    await expect(store.uploaded('t', ref)).rejects.toMatchObject({
      code: 'slices_incomplete',
      message: expect.stringContaining('do not add up') as string,
    });
  });

  test('are absent when they were never stored, or are deleted', async () => {
    const { store, stores } = await testStores();
    await store.putResultSlice('t', 1, 0, slice(1));
    await stores.blobs.delete(resultBlob('t', 1, 0));
    expect(await store.resultSlice('t', 1, 0)).toBeUndefined();
    expect(await store.resultSlice('t', 1, 1)).toBeUndefined();
  });

  test('are refused when some of their bytes are gone or others than were stored', async () => {
    const fleet = await testStores();
    const { store, stores, manager } = fleet;
    await stores.blobs.putBlob({ name: resultBlob('t', 1, 0) }, slice(1));
    const [subject = ''] = Object.keys(await chunkSubjects(fleet));
    await fleet.connection.request(subject, slice(2, 10));
    expect(same(await store.resultSlice('t', 1, 0), slice(1))).toBe(true);
    const first = await manager.direct.getMessage(stores.streams.blobs, { seq: 1, next_by_subj: subject });
    await manager.streams.deleteMessage(stores.streams.blobs, first?.seq ?? 0);
    await expect(store.resultSlice('t', 1, 0)).rejects.toMatchObject({ code: 'store_unavailable' });
    await manager.streams.purge(stores.streams.blobs, { filter: subject });
    await expect(store.resultSlice('t', 1, 0)).rejects.toMatchObject({ code: 'store_unavailable' });
  });

  test('are read from a stream that allows no direct reads', async () => {
    const { nats, manager, stores } = await testStores();
    const { config } = await manager.streams.info(stores.streams.blobs);
    await manager.streams.update(stores.streams.blobs, { ...config, allow_direct: false });
    const { stores: reopened } = await openStores(nats);
    const store = createTaskStore(reopened);
    await store.putResultSlice('t', 1, 0, slice(1));
    expect(same(await store.resultSlice('t', 1, 0), slice(1))).toBe(true);
  });
});
