import { expect, test } from 'vitest';
import { createEpochFence } from '../../node-agent/epoch.ts';

/** A fence on a disk that fails for these writes, counted from 1. */
function fenceOver(...failing: readonly number[]) {
  const writes: number[] = [];
  const fence = createEpochFence(epoch => {
    writes.push(epoch);
    return failing.includes(writes.length) ? Promise.reject(new Error('ENOSPC')) : Promise.resolve();
  });
  return { fence, writes };
}

test('an epoch is written once, and never lowered', async () => {
  const { fence, writes } = fenceOver();
  fence.restore(3);
  await fence.see(4);
  await fence.see(4);
  await fence.see(2);
  expect(writes).toEqual([4]);
  expect(fence.epoch).toBe(4);
});

test('an epoch that cannot be written is not obeyed, and is tried again by the next request', async () => {
  const { fence, writes } = fenceOver(1);
  fence.restore(3);
  const both = [fence.see(4), fence.see(4)];
  expect(fence.epoch).toBe(4);
  expect((await Promise.allSettled(both)).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(fence.epoch).toBe(3);
  await fence.see(4);
  expect(writes).toEqual([4, 4]);
  expect(fence.epoch).toBe(4);
});

test('a failed write does not keep a higher epoch behind it from the disk', async () => {
  const { fence, writes } = fenceOver(1);
  const [first, second] = await Promise.allSettled([fence.see(4), fence.see(5)]);
  expect([first.status, second.status]).toEqual(['rejected', 'fulfilled']);
  expect(writes).toEqual([4, 5]);
  expect(fence.epoch).toBe(5);
});
