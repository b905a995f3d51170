import { expect, test } from 'vitest';
import { extractJson } from '../../../coordinator/structured/extract.ts';

test.each([
  ['bare', '{"a":1}'],
  ['amid blank lines', '\n\n  {"a":1}\n'],
  ['in a fence', '```json\n{"a":1}\n```'],
  ['in a fence without a language', '```\n{"a":1}\n```'],
  ['in a fence with carriage returns', '```json\r\n{"a":1}\r\n```\r\n'],
  ['in one line', '\uFEFF{"a":1}'],
])('finds JSON that stands %s', (_how, answer) => {
  expect(extractJson(answer)).toEqual({ ok: true, text: '{"a":1}', value: { a: 1 } });
});

test('keeps a fence within a string', () => {
  const answer = JSON.stringify({ code: '```js\n1\n```' });
  expect(extractJson(answer)).toMatchObject({ ok: true, text: answer });
  expect(extractJson(`\`\`\`json\n${answer}\n\`\`\``)).toMatchObject({ ok: true, text: answer });
});

test('takes no answer that would take long to be parsed', () => {
  const why = (answer: string): string => {
    const found = extractJson(answer);
    return found.ok ? '' : found.why;
  };
  expect(why(`[${'0,'.repeat(1_000_000)}0]`)).toContain('values');
  expect(why('['.repeat(1_000_000))).toContain('nested deeper');
  expect(extractJson(JSON.stringify(['x'.repeat(1_000_000)])).ok).toBe(true);
});

test.each([
  ['words before it', 'Here you are: {"a":1}'],
  ['two fences', '```json\n{"a":1}\n```\n```json\n{"b":1}\n```'],
  ['nothing', ''],
  ['an end too early', '{"a":'],
])('takes no answer with %s', (_what, answer) => {
  expect(extractJson(answer).ok).toBe(false);
});
