import { describe, expect, test } from 'vitest';
import { type Assembler, createAssembler } from '../../../coordinator/stream/assemble.ts';

const feed = (assembler: Assembler, ...chunks: [attempt: number, n: number, text: string][]) =>
  chunks.flatMap(([attempt, n, text]) => assembler.push({ attempt, n, text }));

describe('the assembler', () => {
  test('passes chunks in order through, and asks for nothing more', () => {
    const assembler = createAssembler();
    expect(feed(assembler, [1, 0, 'a'], [1, 1, 'b'])).toEqual([
      { kind: 'text', attempt: 1, text: 'a' },
      { kind: 'text', attempt: 1, text: 'b' },
    ]);
    expect(assembler.finish('ab')).toEqual({ kind: 'remainder', text: '' });
  });

  test('puts chunks that overtook each other in order', () => {
    const assembler = createAssembler();
    expect(feed(assembler, [1, 1, 'b'], [1, 2, 'c'])).toEqual([]);
    expect(feed(assembler, [1, 0, 'a']).map(event => 'text' in event && event.text)).toEqual(['a', 'b', 'c']);
  });

  test('drops repeated chunks and those of an earlier attempt', () => {
    const assembler = createAssembler();
    feed(assembler, [2, 0, 'a']);
    expect(feed(assembler, [2, 0, 'a'], [1, 0, 'old'])).toEqual([]);
  });

  test('tells of a newer attempt, and needs only the remainder of that one', () => {
    const assembler = createAssembler();
    feed(assembler, [1, 0, 'first try']);
    expect(feed(assembler, [2, 0, 'sec'])).toEqual([
      { kind: 'restart', attempt: 2 },
      { kind: 'text', attempt: 2, text: 'sec' },
    ]);
    expect(assembler.finish('second')).toEqual({ kind: 'remainder', text: 'ond' });
  });

  test('keeps quiet about an attempt that said nothing', () => {
    const assembler = createAssembler();
    expect(feed(assembler, [1, 0, ''], [2, 0, 'x'])).toEqual([{ kind: 'text', attempt: 2, text: 'x' }]);
  });

  test('gives the full answer when an earlier attempt won after all', () => {
    const assembler = createAssembler();
    feed(assembler, [1, 0, 'one'], [2, 0, 'two']);
    expect(assembler.finish('one.')).toEqual({ kind: 'full', text: 'one.' });
  });

  test('waits a little for a missing chunk, then tells of the gap and goes on', () => {
    const assembler = createAssembler();
    feed(assembler, [1, 0, 'a']);
    for (let n = 3; n < 11; n += 1) expect(feed(assembler, [1, n, String(n)])).toEqual([]);
    const events = feed(assembler, [1, 11, '11']);
    expect(events[0]).toEqual({ kind: 'gap', attempt: 1, missing: 2 });
    expect(
      events
        .slice(1)
        .map(event => 'text' in event && event.text)
        .join(''),
    ).toBe('34567891011');
    expect(assembler.finish('a1234567891011')).toEqual({ kind: 'full', text: 'a1234567891011' });
  });

  test('a hole near the end costs nothing: the remainder fills it', () => {
    const assembler = createAssembler();
    expect(feed(assembler, [1, 0, 'a'], [1, 2, 'c'])).toHaveLength(1);
    expect(assembler.finish('abc')).toEqual({ kind: 'remainder', text: 'bc' });
  });

  test('without an answer gives what came after a hole', () => {
    const assembler = createAssembler();
    feed(assembler, [1, 0, 'a'], [1, 3, 'd'], [1, 2, 'c']);
    expect(assembler.finish(undefined)).toEqual({ kind: 'remainder', text: 'cd' });
  });

  test('an answer that nobody streamed is all remainder', () => {
    expect(createAssembler().finish('all')).toEqual({ kind: 'remainder', text: 'all' });
  });
});
