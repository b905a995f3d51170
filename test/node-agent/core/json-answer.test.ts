import { describe, expect, it, test } from 'vitest';
import { createJsonAnswerReader, type JsonAnswerPaths } from '../../../node-agent/core/json-answer.ts';
import { addUsage, readUsage } from '../../../node-agent/core/usage.ts';
import { valueAt } from '../../../node-agent/core/value-at.ts';

function read(text: string, paths: Partial<JsonAnswerPaths> = {}, size = text.length || 1) {
  const chunks: string[] = [];
  const reader = createJsonAnswerReader({ answer: 'a', ...paths }, chunk => chunks.push(chunk));
  for (let at = 0; at < text.length; at += size) reader.push(text.slice(at, at + size));
  return { ...reader.end(), text: chunks.join('') };
}

describe('an answer in JSON', () => {
  const laid_out = JSON.stringify({ b: [{}, []], a: 'four' }, null, 2);

  it.each([1, 2, 7, 1_000])('comes out whole, whatever the pieces of %i characters', size => {
    expect(read('{"a":"fo\\nur"}', {}, size).text).toBe('fo\nur');
    expect(read(laid_out, {}, size).text).toBe('four');
    expect(read('{"a":"1"}\n{"b":2}\n{"a":"3"}', { answers: 'all' }, size).text).toBe('13');
  });

  it('may hold line ends that JSON does not allow', () => {
    expect(read('{"s":"OK","a":"fo\nur\n"}\n').text).toBe('fo\nur\n');
  });

  it('may stand in a list of messages', () => {
    expect(read('[{"type":"init"},{"a":"four"}]').text).toBe('four');
    expect(read('["x","y"]', { answer: '-1' }).text).toBe('y');
  });

  it('is none where there is an error, which may be its text', () => {
    expect(read('{"a":"broken","e":true}', { error: 'e' })).toMatchObject({ text: '', error: 'broken' });
    expect(read('{"e":true}', { error: 'e' }).error).toBe('it gives no reason');
    expect(read('{"a":"x","e":{"data":{"message":"m"}}}', { error: 'e' }).error).toBe('m');
    expect(read('{"a":"x","e":{"code":7}}', { error: 'e' }).error).toBe('{"code":7}');
    for (const none of ['false', 'null', '""'])
      expect(read(`{"a":"x","e":${none}}`, { error: 'e' })).toMatchObject({ text: 'x', error: undefined });
  });

  it('may hold millions of characters among such line ends', () => {
    const long = 'x'.repeat(8 * 1024 * 1024);
    expect(read(`{"a":"${long}\n"}`).text === `${long}\n`).toBe(true);
    expect(read(`{"a":"${'\n'.repeat(100_000)}y"}\n`).text).toBe(`${'\n'.repeat(100_000)}y`);
  });

  it.each([
    ['lists', '[', ']'],
    ['objects', '{"e":', '}'],
  ])('is not looked for in %s that are nested deeper than any answer', (_what, open, close) => {
    for (const depth of [201, 20_000, 500_000]) {
      const text = `${open.repeat(depth)}${open === '[' ? '' : '1'}${close.repeat(depth)}`;
      expect(read(text, { error: 'e' })).toMatchObject({ parsed: false, text: '' });
    }
    const shallow = `{"a":"four","b":${'['.repeat(100)}${']'.repeat(100)}}`;
    expect(read(shallow).text).toBe('four');
  });

  it('is not looked for in a list of a million empty things', () => {
    expect(read(`[${'{},'.repeat(1_000_000)}{}]`)).toMatchObject({ parsed: false });
  });

  it('is kept up to a limit until it is whole', () => {
    const reader = createJsonAnswerReader({ answer: 'a' }, () => undefined, 1_000);
    const flood = (text: string) => () => {
      for (let round = 0; round < 1_000; round += 1) reader.push(text);
    };
    flood('{"a":"a line that is closed"}\nnone\n')();
    expect(flood('{{')).toThrow(expect.objectContaining({ code: 'cli_garbled' }));
    const other = createJsonAnswerReader({ answer: 'a' }, () => undefined, 1_000);
    expect(() => {
      for (let round = 0; round < 1_000; round += 1) other.push('{\n');
    }).toThrow(expect.objectContaining({ code: 'cli_garbled' }));
  });

  it('adds up the counts of all the messages that it is made of', () => {
    const text = '{"a":"1","u":{"promptTokens":1,"completionTokens":2}}\n{"a":"2","u":{"promptTokens":10}}';
    expect(read(text, { usage: 'u', answers: 'all' }).usage).toEqual({
      input_tokens: 11,
      output_tokens: 2,
      total_tokens: 3,
    });
    expect(read(text, { usage: 'u' }).usage).toEqual({ input_tokens: 10 });
  });

  it('tells when there was no JSON, and when there was no answer in it', () => {
    expect(read('42\nword\n')).toMatchObject({ parsed: false, answered: false });
    expect(read('')).toMatchObject({ parsed: false });
    expect(read('{"a":5}')).toMatchObject({ parsed: true, answered: false });
  });
});

test.each([
  ['a.b', { a: { b: 1 } }, 1],
  ['a.0.b', { a: [{ b: 1 }] }, 1],
  ['a.-1', { a: [1, 2] }, 2],
  ['a.b', { a: [1] }, undefined],
  ['a.b', { a: null }, undefined],
  ['constructor', {}, undefined],
])('the value at %s of %o is %s', (path, value, expected) => {
  expect(valueAt(value, path)).toBe(expected);
});

test('token counts are read under the names there are, and nothing else is', () => {
  expect(readUsage({ inputTokens: 1, outputTokens: 2, totalTokens: 9 })).toEqual({
    input_tokens: 1,
    output_tokens: 2,
    total_tokens: 9,
  });
  for (const none of [undefined, null, 7, {}, { inputTokens: -1 }, { inputTokens: 'x' }])
    expect(readUsage(none)).toBeUndefined();
  expect(addUsage(undefined, { input_tokens: 1 })).toEqual({ input_tokens: 1 });
});
