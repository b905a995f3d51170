import { expect, test } from 'vitest';
import { Marker, newMark } from '../../../coordinator/ssh/marker.ts';

const MARK = 'ccli-abc';

function read(chunks: readonly string[]): { text: string; pid: number | undefined; rest: string } {
  const marker = new Marker(MARK);
  const text = chunks.map(chunk => marker.take(Buffer.from(chunk)).toString()).join('');
  return { text, pid: marker.pid, rest: marker.rest().toString() };
}

test.each([
  ['at once', [`${MARK} 42\nhello`]],
  ['in pieces', ['ccli', '-abc 4', '2', '\nhel', 'lo']],
  ['after what the login shell says', [`Welcome!\nccli-other 7\nno line end${MARK} 42\nhello`]],
])('the mark is found %s', (_how, chunks) => {
  expect(read(chunks)).toEqual({ text: 'hello', pid: 42, rest: '' });
});

test('what looks like the mark later on is of the command', () => {
  expect(read([`${MARK} 42\n`, `${MARK} 43\n`])).toEqual({ text: `${MARK} 43\n`, pid: 42, rest: '' });
});

test('without a mark, all that was said comes at the end', () => {
  expect(read(['This account is not available.\n'])).toEqual({
    text: '',
    pid: undefined,
    rest: 'This account is not available.\n',
  });
});

test('a login shell that never stops talking is passed on instead of held', () => {
  const { text, pid } = read(['x'.repeat(1024 * 1024), 'yy', 'z']);
  expect(text).toHaveLength(1024 * 1024 + 3);
  expect(pid).toBeUndefined();
});

test.each(['0', '1', '-5', 'x', ''])('%j is no group to be ended', pid => {
  expect(read([`${MARK} ${pid}\n`]).pid).toBeUndefined();
});

test('every command has a mark of its own', () => {
  expect(newMark()).toMatch(/^ccli-[0-9a-f]{24}$/);
  expect(newMark()).not.toBe(newMark());
});
