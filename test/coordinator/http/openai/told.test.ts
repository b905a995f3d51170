import { expect, test } from 'vitest';
import { createTold } from '../../../../coordinator/http/openai/told.ts';

test('tells each piece once, and at the end what is missing', () => {
  const told = createTold();
  expect([told.chunk('one '), told.chunk('two '), told.whole('one two three')]).toEqual([
    'one ',
    'two ',
    'three',
  ]);
});

test('another attempt that says the same goes on where the first one ended', () => {
  const told = createTold();
  told.chunk('one two');
  told.restart();
  expect([told.chunk('one '), told.chunk('two three'), told.whole('one two three')]).toEqual([
    '',
    ' three',
    '',
  ]);
});

test('an attempt that restarts before anything was told is not noticed', () => {
  const told = createTold();
  told.restart();
  expect(told.chunk('one')).toBe('one');
});

test('another attempt that says something else cannot be told', () => {
  const told = createTold();
  told.chunk('one two');
  told.restart();
  expect(told.chunk('one ')).toBe('');
  expect(() => told.chunk('three')).toThrow('went on differently');
});

test('after a gap nothing is told before the whole answer is there', () => {
  const told = createTold();
  told.chunk('one ');
  told.gap();
  expect([told.chunk('three '), told.whole('one two three four')]).toEqual(['', 'two three four']);
});

test('a gap in an attempt that was given up does not matter', () => {
  const told = createTold();
  told.gap();
  told.restart();
  expect(told.chunk('one')).toBe('one');
});

test('a whole answer that does not begin with what was told cannot be told', () => {
  const told = createTold();
  told.chunk('one');
  expect(() => told.whole('two')).toThrow('went on differently');
});

test('an answer whose last blank lines were taken off is whole', () => {
  const told = createTold();
  told.chunk('one\n\n');
  expect(told.whole('one')).toBe('');
});
