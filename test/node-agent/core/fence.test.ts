import { expect, test } from 'vitest';
import {
  advance,
  type FenceState,
  NO_FENCE,
  type Standing,
  standingOf,
} from '../../../node-agent/core/fence.ts';

const state: FenceState = { fleet_id: 'b', epoch: 3, former: ['a'] };

test.each<[string, FenceState, string, number, Standing]>([
  ['the same coordinator', state, 'b', 3, 'current'],
  ['its successor', state, 'b', 4, 'newer'],
  ['its predecessor', state, 'b', 2, 'stale'],
  ['a restored store, whose epochs count anew', state, 'c', 1, 'replaced'],
  ['the store that was restored, however far its epochs have come', state, 'a', 99, 'stale'],
  ['the first coordinator ever', NO_FENCE, 'a', 1, 'newer'],
  ['a fleet that had no name yet', { epoch: 7, former: [] }, 'a', 7, 'newer'],
  ['another fleet than the nameless one', { epoch: 7, former: [] }, 'a', 6, 'replaced'],
])('a request of %s stands as it should', (_who, given, fleet_id, epoch, expected) => {
  expect(standingOf(given, { fleet_id, epoch })).toBe(expected);
});

test('a fence only moves on, and knows whom it has left', () => {
  const claims = [
    { fleet_id: 'a', epoch: 1 },
    { fleet_id: 'a', epoch: 5 },
    { fleet_id: 'a', epoch: 4 },
    { fleet_id: 'b', epoch: 1 },
    { fleet_id: 'a', epoch: 6 },
    { fleet_id: 'b', epoch: 1 },
    { fleet_id: 'c', epoch: 2 },
  ];
  const end = claims.reduce(advance, NO_FENCE);
  expect(end).toEqual({ fleet_id: 'c', epoch: 2, former: ['a', 'b'] });
  expect(advance(end, { fleet_id: 'c', epoch: 2 })).toBe(end);
  expect(advance(end, { fleet_id: 'b', epoch: 9 })).toBe(end);
});

test('only so many former fleets are kept', () => {
  const fleets = Array.from({ length: 150 }, (_, index) => ({ fleet_id: `f${index}`, epoch: 1 }));
  const { former } = fleets.reduce(advance, NO_FENCE);
  expect(former).toHaveLength(100);
  expect(former.at(-1)).toBe('f148');
});
