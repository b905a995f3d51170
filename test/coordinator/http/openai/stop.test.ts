import { expect, test } from 'vitest';
import { createStopCutter } from '../../../../coordinator/http/openai/stop.ts';

/** The pieces that were shown, with what came at the end. */
const shown = (stops: readonly string[], pieces: readonly string[]): string[] => {
  const cutter = createStopCutter(stops);
  return [...pieces.map(piece => cutter.push(piece)), cutter.rest()];
};

test('without stop sequences every piece is shown at once', () => {
  expect(shown([], ['a', 'b'])).toEqual(['a', 'b', '']);
});

test('ends before the first of them, also when it comes in pieces', () => {
  expect(shown(['END', '\n\n'], ['one E', 'N', 'D two', 'three'])).toEqual(['one ', '', '', '', '']);
  expect(shown(['END', '\n\n'], ['a\n', '\nb'])).toEqual(['a', '', '']);
});

test('what only looked like the beginning of one is shown later', () => {
  expect(shown(['END'], ['E', 'N', 'x', 'EN'])).toEqual(['', '', 'ENx', '', 'EN']);
});

test('of several the earliest one ends the text', () => {
  expect(shown(['zz', 'b'], ['abzz'])).toEqual(['a', '']);
});

test('cut anywhere, the shown text is the same', () => {
  const text = 'aabaabaaab and so on';
  for (let at = 0; at <= text.length; at += 1)
    expect(shown(['aaab'], [text.slice(0, at), text.slice(at)]).join('')).toBe('aabaab');
});
