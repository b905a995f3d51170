import { expect, test } from 'vitest';
import { age, duration, size } from '../../../../coordinator/cli/render/quantity.ts';

test.each([
  [0, '0 ms'],
  [12.4, '12 ms'],
  [999.4, '999 ms'],
  [999.6, '1.0 s'],
  [1_234, '1.2 s'],
  [59_960, '1 min'],
  [184_000, '3 min 4 s'],
  [3_599_600, '1 h'],
  [7_500_000, '2 h 5 min'],
  [86_399_000, '1 d'],
  [100 * 3_600_000, '4 d 4 h'],
])('%d ms reads %s', (ms, text) => {
  expect(duration(ms)).toBe(text);
});

test.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1024, '1 KiB'],
  [1536, '1.5 KiB'],
  [10 * 1024, '10 KiB'],
  [1024 * 1024 - 1, '1 MiB'],
  [12 * 1024 ** 2, '12 MiB'],
  [80 * 1024 ** 3, '80 GiB'],
  [5000 * 1024 ** 4, '5000 TiB'],
])('%d bytes read %s', (bytes, text) => {
  expect(size(bytes)).toBe(text);
});

test.each([
  [-5_000, 'just now'],
  [999, 'just now'],
  [12_900, '12 s ago'],
  [200_000, '3 min ago'],
  [5 * 3_600_000, '5 h ago'],
  [49 * 3_600_000, '2 d ago'],
])('%d ms ago reads %s', (ms, text) => {
  expect(age(1_000_000_000_000, 1_000_000_000_000 + ms)).toBe(text);
});
