import { expect, test } from 'vitest';
import { createEpochFence, type FenceRecord } from '../../node-agent/epoch.ts';

const claim = (epoch: number, fleet_id = 'a') => ({ epoch, fleet_id });
const seen = (epoch: number, fleet_id = 'a', former: string[] = []): FenceRecord => ({
  epoch,
  fleet_id,
  former,
});

/** A fence on a disk that fails for these writes, counted from 1. */
function fenceOver(...failing: readonly number[]) {
  const writes: FenceRecord[] = [];
  const disk = { forgets: true };
  let forgotten = 0;
  const fence = createEpochFence({
    write: record => {
      writes.push(record);
      return failing.includes(writes.length) ? Promise.reject(new Error('ENOSPC')) : Promise.resolve();
    },
    forget: () => {
      forgotten += 1;
      return Promise.resolve(disk.forgets);
    },
  });
  return { fence, writes, disk, forgotten: () => forgotten };
}

test('an epoch is written once, and never lowered', async () => {
  const { fence, writes, forgotten } = fenceOver();
  await fence.restore(seen(3));
  await fence.see(claim(4));
  await fence.see(claim(4));
  await fence.see(claim(2));
  expect(writes).toEqual([seen(4)]);
  expect(fence.state).toEqual(seen(4));
  expect(forgotten()).toBe(0);
});

test('an epoch that cannot be written is not obeyed, and is tried again by the next request', async () => {
  const { fence, writes } = fenceOver(1);
  await fence.restore(seen(3));
  const both = [fence.see(claim(4)), fence.see(claim(4))];
  expect(fence.state.epoch).toBe(4);
  expect((await Promise.allSettled(both)).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(fence.state.epoch).toBe(3);
  await fence.see(claim(4));
  expect(writes).toEqual([seen(4), seen(4)]);
  expect(fence.state.epoch).toBe(4);
});

test('a failed write does not keep a higher epoch behind it from the disk', async () => {
  const { fence, writes } = fenceOver(1);
  await fence.restore(seen(3));
  const [first, second] = await Promise.allSettled([fence.see(claim(4)), fence.see(claim(5))]);
  expect([first.status, second.status]).toEqual(['rejected', 'fulfilled']);
  expect(writes).toEqual([seen(4), seen(5)]);
  expect(fence.state.epoch).toBe(5);
});

test('a fleet never met before takes over: what is over is forgotten, and a kill in between is made up for', async () => {
  const { fence, writes, forgotten } = fenceOver();
  await fence.restore(seen(9));
  await fence.see(claim(1, 'b'));
  expect(writes).toEqual([{ ...seen(1, 'b', ['a']), forget: true }, seen(1, 'b', ['a'])]);
  expect(forgotten()).toBe(1);
  const later = fenceOver();
  await later.fence.restore({ ...seen(1, 'b', ['a']), forget: true });
  expect(later.forgotten()).toBe(1);
  expect(later.writes.at(-1)).toEqual(seen(1, 'b', ['a']));
});

test('what could not be removed from the disk is removed at the next change', async () => {
  const { fence, writes, disk, forgotten } = fenceOver();
  await fence.restore(seen(9));
  disk.forgets = false;
  await fence.see(claim(1, 'b'));
  expect(writes.at(-1)?.forget).toBe(true);
  disk.forgets = true;
  await fence.see(claim(2, 'b'));
  expect(writes.at(-1)).toEqual(seen(2, 'b', ['a']));
  expect(forgotten()).toBe(2);
});

test('a fleet whose take-over could not be written is forgotten about by nobody, until a later epoch of it is', async () => {
  const { fence, writes, forgotten } = fenceOver(1);
  await fence.restore(seen(9));
  const both = await Promise.allSettled([fence.see(claim(1, 'b')), fence.see(claim(2, 'b'))]);
  expect(both.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
  expect(writes.at(-1)).toEqual(seen(2, 'b', ['a']));
  expect(forgotten()).toBe(1);
});

test('a node that knew of no fleets keeps what it remembers when the first one names itself', async () => {
  const { fence, writes, forgotten } = fenceOver();
  await fence.restore({ epoch: 4, former: [] });
  await fence.see(claim(4));
  expect(writes).toEqual([seen(4)]);
  expect(forgotten()).toBe(0);
});
