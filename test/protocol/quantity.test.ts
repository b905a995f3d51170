import { expect, test } from 'vitest';
import { DurationSchema, parseDuration, parseSize, SizeSchema } from '../../protocol/quantity.ts';

test.each([
  ['250ms', 250],
  ['300s', 300_000],
  ['5m', 300_000],
  ['1h', 3_600_000],
  ['1d', 86_400_000],
  ['1.5s', 1_500],
  ['2 s', 2_000],
  [' 2s ', 2_000],
  ['0.4ms', 0],
])('%j is %d ms', (text, ms) => {
  expect(parseDuration(text)).toBe(ms);
});

test.each([
  ['100B', 100],
  ['512KiB', 524_288],
  ['8MiB', 8_388_608],
  ['1.5 GiB', 1_610_612_736],
])('%j is %d bytes', (text, bytes) => {
  expect(parseSize(text)).toBe(bytes);
});

test.each(['', '5', 's', '-5s', '5 min', '5S', '1e3s', '5s5s', '٥s', '.5s', '5.s', '0x10s', '5KiB'])(
  '%j is no duration',
  text => {
    expect(parseDuration(text)).toBeUndefined();
  },
);

test.each(['', '8', '8MB', '8mib', '8K', '-1B', '5s'])('%j is no size', text => {
  expect(parseSize(text)).toBeUndefined();
});

test('a setting that is no quantity is told what one looks like', () => {
  expect(DurationSchema.safeParse('5 minutes').error?.issues).toMatchObject([
    { message: 'expected something like 300s, 5m or 1h, got "5 minutes"' },
  ]);
  expect(SizeSchema.safeParse('8MB').error?.issues).toMatchObject([
    { message: 'expected something like 8MiB or 512KiB, got "8MB"' },
  ]);
});

const HUGE = '9'.repeat(400);

test.each(['0s', '0.1ms', '25d', `${HUGE}s`])('a duration that no timer can hold is refused (%#)', text => {
  expect(DurationSchema.safeParse(text).success).toBe(false);
});

test.each(['0B', `${HUGE}GiB`])('a size that no number can hold is refused (%#)', text => {
  expect(SizeSchema.safeParse(text).success).toBe(false);
});

test.each([300, true, null, ['5m']])('the setting %j is refused, since it has no unit', value => {
  expect(DurationSchema.safeParse(value).success).toBe(false);
});
