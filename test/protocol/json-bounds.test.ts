import { describe, expect, test } from 'vitest';
import { beyondBounds, REQUEST_BOUNDS } from '../../protocol/json-bounds.ts';

const bounds = { max_values: 4, max_depth: 2 };

describe('a text in JSON', () => {
  test.each([
    '1',
    '',
    '"a"',
    '[1,2]',
    '{"a":{"b":1}}',
    '[[1],[2]]'.slice(0, 5),
    '"[[[[,,,,,,"',
    '{"a":"[[[,,,"}',
  ])('may be small and flat: %s', text => {
    expect(beyondBounds(text, bounds)).toBeUndefined();
    expect(beyondBounds(Buffer.from(text), bounds)).toBeUndefined();
  });

  test.each([
    ['[1,2,3,4]', 'max_values'],
    ['{"a":1,"b":2,"c":3,"d":4}', 'max_values'],
    ['[[[', 'max_depth'],
    ['{"a":[{"b":1}]}', 'max_depth'],
  ])('may be too much of it: %s', (text, beyond) => {
    expect(beyondBounds(text, bounds)).toBe(beyond);
    expect(beyondBounds(new TextEncoder().encode(text), bounds)).toBe(beyond);
  });

  test('has strings that end where they do, whatever is in them', () => {
    const strings = ['a"b', '\\', '\\"', '"', '\\\\"', ',[{', 'ü✓"\\'].map(text => JSON.stringify(text));
    for (const string of strings) {
      expect(beyondBounds(string, bounds)).toBeUndefined();
      expect(beyondBounds(`[${string},[${string},[1]]]`, { ...bounds, max_values: 9 })).toBe('max_depth');
    }
  });

  test('is looked at only as far as it must be, and to its end when it is not JSON', () => {
    expect(beyondBounds(`${'['.repeat(3)}"`, bounds)).toBe('max_depth');
    for (const odd of ['"', '"\\', '\\"', ']]]]', '}{', '"a', '\0'])
      expect(beyondBounds(odd, bounds)).toBeUndefined();
  });
});

describe('a request', () => {
  test.each([
    '{"prompt":"2+2?"}',
    '"brackets in a text: [[[[{{{{,,,,"',
    String.raw`{"prompt":"a quote \" and [ a backslash \\","model":"x"}`,
    `{"prompt":"${'[{,'.repeat(500_000)}"}`,
    `{"prompt":"${'\\"['.repeat(300_000)}"}`,
    'not JSON at all',
    '"never ended [[[',
    `${'['.repeat(128)}${']'.repeat(128)}`,
    `[${'1,'.repeat(49_000)}1]`,
  ])('is read when it is small or one long text: %.40s', text => {
    expect(beyondBounds(text, REQUEST_BOUNDS)).toBeUndefined();
  });

  test.each([
    ['['.repeat(129), 'max_depth'],
    ['{"a":'.repeat(40_000), 'max_depth'],
    [`[${'1,'.repeat(50_000)}1]`, 'max_values'],
    [`[${'{},'.repeat(25_000)}{}]`, 'max_values'],
    // The backslash is itself escaped: the text ends there.
    [`${String.raw`"a\\"`}${'['.repeat(200)}`, 'max_depth'],
  ])('is not read when it would grow in memory: %.40s', (text, beyond) => {
    expect(beyondBounds(text, REQUEST_BOUNDS)).toBe(beyond);
  });
});
