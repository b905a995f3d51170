import { describe, expect, test } from 'vitest';
import { createCollector } from '../../node-agent/collector.ts';
import type { CcliError } from '../../protocol/errors.ts';
import { seeded, seeds } from '../support/random.ts';

function collect(max_bytes: number, ...texts: readonly string[]) {
  const stops: CcliError[] = [];
  const collector = createCollector(max_bytes, reason => {
    stops.push(reason);
  });
  const kept = texts.map(text => collector.add(text));
  return { kept, text: collector.text(), overflow: collector.overflow?.code, stops };
}

describe('an answer', () => {
  test('within the limit is kept as it came', () => {
    expect(collect(6, 'abc', '', 'é', 'd')).toEqual({
      kept: ['abc', '', 'é', 'd'],
      text: 'abcéd',
      overflow: undefined,
      stops: [],
    });
  });

  test.each([
    ['after a character', 4, ['abcd', 'e'], ['abcd', undefined], 'abcd'],
    ['inside a piece', 4, ['ab', 'cdef'], ['ab', 'cd'], 'abcd'],
    ['inside a character of two bytes', 4, ['abc', 'é'], ['abc', undefined], 'abc'],
    ['inside a character of three bytes', 4, ['ab€'], ['ab'], 'ab'],
    ['inside a character of four bytes', 6, ['ab🚀🚀'], ['ab🚀'], 'ab🚀'],
    ['right after a character of four bytes', 6, ['ab🚀c'], ['ab🚀'], 'ab🚀'],
    ['at once', 0, ['a'], [undefined], ''],
    ['after a byte order mark', 4, ['\ufeffab'], ['\ufeffa'], '\ufeffa'],
  ])('that reaches the limit %s is kept up to the last whole character', (_where, max, texts, kept, text) => {
    const found = collect(max, ...texts);
    expect(found).toMatchObject({ kept, text, overflow: 'output_too_large' });
    expect(found.stops.map(({ code }) => code)).toEqual(['output_too_large']);
    expect(found.stops[0]?.message).toContain(`${max} bytes`);
  });

  test('that goes on after the limit is not kept, and the run is told once', () => {
    const { kept, text, stops } = collect(3, 'abcd', 'e', '', 'f');
    expect(kept).toEqual(['abc', undefined, undefined, undefined]);
    expect(text).toBe('abc');
    expect(stops).toHaveLength(1);
  });

  test.each(seeds(50))('is always a whole start of what came, as long as possible (seed %i)', seed => {
    const random = seeded(seed);
    const texts = Array.from({ length: 20 }, () => random.pick(['a', 'é', '€', '🚀', 'a🚀', '']));
    const whole = texts.join('');
    const max = random.between(0, 40);
    const { text, overflow } = collect(max, ...texts);
    expect(whole.startsWith(text)).toBe(true);
    expect(Buffer.from(text).toString()).toBe(text);
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(max);
    const [next = ''] = whole.slice(text.length);
    if (next !== '') expect(Buffer.byteLength(text + next)).toBeGreaterThan(max);
    expect(overflow !== undefined).toBe(Buffer.byteLength(whole) > max);
  });
});
