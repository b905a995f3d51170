import { expect, test } from 'vitest';
import { cutBytes, cutChars, cutJson } from '../../../coordinator/coordination/cut-text.ts';

test('a text that fits stays as it is', () => {
  for (const cut of [cutChars, cutBytes, cutJson])
    expect(cut('żółw', 100)).toEqual({ text: 'żółw', cut: false });
});

test('a cut never breaks a character', () => {
  expect(cutChars('a🐢b', 2)).toEqual({ text: 'a', cut: true });
  expect(cutBytes('a🐢b', 4)).toEqual({ text: 'a', cut: true });
  expect(cutBytes('a🐢b', 5)).toEqual({ text: 'a🐢', cut: true });
  expect(cutJson('a🐢b', 4)).toEqual({ text: 'a', cut: true });
});

test('a cut by JSON counts what a character becomes there', () => {
  expect(cutJson('\u0001\u0001', 6)).toEqual({ text: '\u0001', cut: true });
  expect(cutJson('"""', 4)).toEqual({ text: '""', cut: true });
});

test('nothing is left of a text for which there is no room', () => {
  for (const cut of [cutChars, cutBytes, cutJson]) expect(cut('abc', 0)).toEqual({ text: '', cut: true });
});
