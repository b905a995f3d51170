import { expect, test } from 'vitest';
import { splitLines } from '../../../coordinator/lines/split-lines.ts';
import { seeded, seeds } from '../../support/random.ts';

function collect(max_bytes?: number) {
  const lines: string[] = [];
  let too_long = 0;
  const take = splitLines(
    {
      onLine: line => lines.push(Buffer.from(line).toString()),
      onTooLong: () => {
        too_long += 1;
      },
    },
    max_bytes,
  );
  return {
    take: (text: string | Uint8Array) => {
      take(Buffer.from(text));
    },
    lines,
    tooLong: () => too_long,
  };
}

test('lines come out whole however the bytes come in, and empty ones do not', () => {
  for (const seed of seeds(20)) {
    const random = seeded(seed);
    const bytes = Buffer.from('one\n\nzwei ü\nthree 🙂\n');
    const { take, lines } = collect();
    for (let at = 0; at < bytes.length; ) {
      const next = at + random.between(1, 5);
      take(bytes.subarray(at, next));
      at = next;
    }
    expect(lines).toEqual(['one', 'zwei ü', 'three 🙂']);
  }
});

test('what has no end yet waits for it', () => {
  const { take, lines } = collect();
  take('half');
  expect(lines).toEqual([]);
  take(' and half\nrest');
  expect(lines).toEqual(['half and half']);
});

test('a line that is too long is passed over to its end, told of once, and holds no memory', () => {
  const { take, lines, tooLong } = collect(4);
  take('ab');
  take('cdef');
  take('more and more');
  take('still\nok\nabcd\nabcde\nyes\n');
  expect(lines).toEqual(['ok', 'abcd', 'yes']);
  expect(tooLong()).toBe(2);
});
