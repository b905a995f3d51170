import { expect, test } from 'vitest';
import { encode } from '../../protocol/codec.ts';
import { MAX_MESSAGE_BYTES } from '../../protocol/limits.ts';
import { ChunkSchema, pieces } from '../../protocol/output.ts';
import { seeded, seeds } from '../support/random.ts';

const UNITS = 64 * 1024;
const wellFormed = (text: string): boolean => Buffer.from(text).toString() === text;

test.each([
  ['nothing', '', 0],
  ['a word', 'word', 1],
  ['exactly a piece', 'a'.repeat(UNITS), 1],
  ['a unit more than a piece', 'a'.repeat(UNITS + 1), 2],
  ['a rocket across a cut', `${'a'.repeat(UNITS - 1)}🚀b`, 2],
  ['rockets only', '🚀'.repeat(UNITS), 2],
  ['rockets, one unit off', `a${'🚀'.repeat(UNITS)}`, 3],
])('%s makes pieces that are the text again, none ending inside a character', (_what, text, count) => {
  const found = pieces(text);
  expect(found).toHaveLength(count);
  expect(found.join('') === text).toBe(true);
  expect(found.every(wellFormed)).toBe(true);
});

test('half a character alone, at a cut or at the end, neither loops nor gets lost', () => {
  for (const text of [
    '\ud83d'.repeat(UNITS * 2),
    `${'a'.repeat(UNITS - 1)}\ud83d`,
    '\ude80'.repeat(UNITS + 1),
  ])
    expect(pieces(text).join('') === text).toBe(true);
});

test.each(seeds(20))('any text comes back whole, in pieces that fit a message (seed %i)', seed => {
  const random = seeded(seed);
  const text = Array.from({ length: 40 }, () =>
    random.pick(['a', '🚀', '\u0000', 'é', '\u2028']).repeat(random.between(0, 9_000)),
  ).join('');
  const found = pieces(text);
  expect(found.join('') === text).toBe(true);
  expect(found.every(wellFormed)).toBe(true);
  for (const [n, piece] of found.entries()) {
    const chunk = { v: 1, task_id: 't'.repeat(64), attempt: 1, n, text: piece };
    expect(encode(ChunkSchema, chunk).byteLength).toBeLessThan(MAX_MESSAGE_BYTES);
  }
});
