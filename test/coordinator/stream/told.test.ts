import { describe, expect, test } from 'vitest';
import { createTold } from '../../../coordinator/stream/told.ts';

function tell(...pieces: [attempt: number, n: number, text: string][]) {
  const told = createTold();
  for (const [attempt, n, text] of pieces) told.add({ attempt, n, text });
  return told;
}

describe('what has been told', () => {
  test('is the beginning of the answer, and the rest is known', () => {
    expect(tell([1, 0, 'ab'], [1, 1, 'c']).compare('abcde')).toEqual({ kind: 'beginning', rest: 'de' });
    expect(tell().compare('all')).toEqual({ kind: 'beginning', rest: 'all' });
  });

  test('is the end of it when something was lost before', () => {
    expect(tell([1, 0, 'ab'], [1, 3, 'de']).compare('abcde')).toEqual({ kind: 'end' });
    expect(tell([1, 0, 'ab'], [1, 3, 'd']).compare('abcde')).toEqual({ kind: 'neither' });
  });

  test('counts from the newest attempt on', () => {
    expect(tell([1, 0, 'no'], [2, 0, 'ye']).compare('yes')).toEqual({ kind: 'beginning', rest: 's' });
    expect(tell([1, 0, 'no'], [2, 0, 'ye']).compare('none')).toEqual({ kind: 'neither' });
  });

  test('is compared rightly when a chunk ends inside a character', () => {
    const [high = '', low = ''] = '\u{1F680}'.split('');
    expect(tell([1, 0, high], [1, 1, low]).compare('\u{1F680}')).toEqual({ kind: 'beginning', rest: '' });
  });
});
