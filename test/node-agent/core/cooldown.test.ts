import { expect, test } from 'vitest';
import {
  type CooldownState,
  coolDown,
  NO_COOLDOWN,
  remaining,
  restoredMs,
  succeeded,
} from '../../../node-agent/core/cooldown.ts';
import { CcliError, type ErrorCode } from '../../../protocol/errors.ts';

const error = (code: ErrorCode, retry_after_ms?: number): CcliError =>
  new CcliError(code, undefined, retry_after_ms === undefined ? {} : { retry_after_ms });

const after = (code: ErrorCode, retry_after_ms?: number, state: CooldownState = NO_COOLDOWN, now = 1_000) =>
  remaining(coolDown(state, error(code, retry_after_ms), now), now);

test.each<[ErrorCode, number | undefined, number | undefined]>([
  ['rate_limited', undefined, 60_000],
  ['rate_limited', 7_500.5, 7_501],
  ['quota_exhausted', undefined, 3_600_000],
  ['quota_exhausted', 86_400_000, 86_400_000],
  ['model_unavailable', undefined, 2_000],
  ['model_unavailable', 30_000, 30_000],
  ['rate_limited', 0, undefined],
  ['rate_limited', -5, undefined],
  ['rate_limited', Number.NaN, 60_000],
  ['rate_limited', 1e300, 30 * 86_400_000],
  ['cli_crashed', 5_000, undefined],
  ['model_rejected', undefined, undefined],
])('%s with a hint of %s rests for %s ms', (code, hint, expected) => {
  expect(after(code, hint)?.ms).toBe(expected);
});

test('a smaller hint that comes later shortens nothing, a larger one counts', () => {
  const state = coolDown(NO_COOLDOWN, error('quota_exhausted', 100_000), 0);
  expect(after('rate_limited', 10, state)).toEqual({ code: 'quota_exhausted', ms: 99_000 });
  expect(after('rate_limited', 200_000, state)).toEqual({ code: 'rate_limited', ms: 200_000 });
});

test('a success does not end a cooldown', () => {
  const state = succeeded(coolDown(NO_COOLDOWN, error('rate_limited'), 0));
  expect(remaining(state, 59_999)).toEqual({ code: 'rate_limited', ms: 1 });
  expect(remaining(state, 60_000)).toBeUndefined();
});

test('each outage in a row doubles the rest up to a minute, and a success begins anew', () => {
  let state = NO_COOLDOWN;
  let now = 0;
  const rests: (number | undefined)[] = [];
  for (let outage = 0; outage < 7; outage += 1) {
    state = coolDown(state, error('model_unavailable'), now);
    rests.push(remaining(state, now)?.ms);
    now += 100_000;
  }
  expect(rests).toEqual([2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
  expect(after('model_unavailable', undefined, succeeded(state), now)?.ms).toBe(2_000);
});

test('tasks that fail side by side have met one outage', () => {
  const once = coolDown(NO_COOLDOWN, error('model_unavailable'), 0);
  const twice = coolDown(once, error('model_unavailable'), 500);
  expect(remaining(twice, 500)?.ms).toBe(2_000);
  expect(twice.outages).toBe(1);
});

test('what is left after a restart is never more than was granted, whatever the clock says', () => {
  expect(restoredMs(10_000, 5_000, 7_000)).toBe(3_000);
  expect(restoredMs(10_000, 5_000, 11_000)).toBe(0);
  expect(restoredMs(10_000, 5_000, -86_400_000)).toBe(5_000);
});
