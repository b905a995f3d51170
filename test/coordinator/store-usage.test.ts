import { describe, expect, test } from 'vitest';
import { beginPurge } from '../../coordinator/purge.ts';
import { createStoreUsage } from '../../coordinator/store-usage.ts';
import { requestOf, storeEnded, testStores } from './task-store.ts';

const KIB = 1024;
const NEED = { tasks: 4 * KIB, blobs: 0 };
const PROMPT = 'x'.repeat(3_000);

async function stored(over: Parameters<typeof testStores>[0], unfinished = 0) {
  const test_stores = await testStores(over);
  const usage = createStoreUsage({ stores: test_stores.stores, unfinished: () => unfinished });
  await usage.refresh();
  return { ...test_stores, usage };
}

describe('the use of the stores', () => {
  test('is told in bytes of each', async () => {
    const { store, usage } = await stored({ tasks: 100 * KIB, blobs: 200 * KIB, reports: 300 * KIB });
    await store.createRequest(requestOf('a', PROMPT));
    await store.putUpload('a', 0, new Uint8Array(50 * KIB));
    await usage.refresh();
    const { tasks, blobs, reports } = usage.read();
    expect([tasks.max_bytes, blobs.max_bytes, reports.max_bytes]).toEqual([100 * KIB, 200 * KIB, 300 * KIB]);
    expect(tasks.bytes).toBeGreaterThan(3_000);
    expect(blobs.bytes).toBeGreaterThan(50 * KIB);
    expect(reports.bytes).toBe(0);
    expect(usage.share()).toBe(blobs.bytes / blobs.max_bytes);
  });

  test('refuses something new before a store is full, with figures and a remedy', async () => {
    const { store, usage } = await stored({ tasks: 100 * KIB });
    const refused = async (): Promise<number> => {
      for (let index = 0; ; index += 1) {
        if (usage.refusal(NEED) !== undefined) return index;
        await storeEnded(store, `t${index}`, PROMPT);
        await usage.refresh();
      }
    };
    expect(await refused()).toBeGreaterThan(5);
    const { tasks } = usage.read();
    expect(tasks.bytes).toBeLessThan(0.8 * tasks.max_bytes);
    const refusal = usage.refusal(NEED);
    expect(refusal?.code).toBe('store_full');
    expect(refusal?.message).toMatch(
      /^The store of tasks is full: 0\.\d of 0\.1 MiB are used or promised, and nothing new is taken above 80 %\. Raise `store\.tasks`/,
    );
    // What was accepted before goes on: there is room for that.
    await storeEnded(store, 'accepted', PROMPT);
  });

  test('refuses no longer once old tasks have been purged', async () => {
    const { store, stores, usage } = await stored({ tasks: 40 * KIB });
    const seqs = new Map<string, number>();
    for (let index = 0; usage.refusal(NEED) === undefined; index += 1) {
      seqs.set(`t${index}`, await storeEnded(store, `t${index}`, PROMPT));
      await usage.refresh();
    }
    const run = await beginPurge(stores);
    for (const [task_id, seq] of seqs) await run.task(task_id, seq);
    await usage.refresh();
    expect(usage.refusal(NEED)).toBeUndefined();
  });

  test('counts what was accepted since it was read', async () => {
    const { usage } = await stored({ tasks: 100 * KIB, blobs: 100 * KIB });
    for (let index = 0; index < 19; index += 1) usage.count(NEED);
    expect(usage.refusal(NEED)).toBeUndefined();
    usage.count(NEED);
    expect(usage.refusal(NEED)?.code).toBe('store_full');
    usage.count({ tasks: 0, blobs: 80 * KIB });
    expect(usage.refusal({ tasks: 0, blobs: 1 })?.message).toContain('The store of blobs is full');
    await usage.refresh();
    expect(usage.refusal(NEED)?.code).toBe('store_full');
    await usage.refresh();
    expect(usage.refusal(NEED)).toBeUndefined();
  });

  test('keeps room for what accepted tasks have still to write', async () => {
    const { usage } = await stored({ tasks: 100 * KIB }, 19);
    expect(usage.refusal(NEED)).toBeUndefined();
    expect((await stored({ tasks: 100 * KIB }, 20)).usage.refusal(NEED)?.code).toBe('store_full');
  });

  test('refuses something new while reports pile up', async () => {
    const { connection, usage } = await stored({ reports: 10 * KIB });
    for (let index = 0; index < 9; index += 1) {
      await connection.request('ccli.node.walnut.report', new Uint8Array(KIB));
    }
    await usage.refresh();
    expect(usage.refusal(NEED)?.message).toContain('The store of reports is full');
  });
});
