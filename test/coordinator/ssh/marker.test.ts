import { expect, test } from 'vitest';
import { Marker, newMark } from '../../../coordinator/ssh/marker.ts';

const MARK = 'ccli-abc';

function read(chunks: readonly string[]): { text: string; pid: number | undefined; rest: string } {
  const marker = new Marker(MARK);
  const text = chunks.map(chunk => marker.take(Buffer.from(chunk)).toString()).join('');
  return { text, pid: marker.leader?.pid, rest: marker.rest().toString() };
}

test.each([
  ['at once', [`${MARK} 42\nhello`]],
  ['in pieces', ['ccli', '-abc 4', '2', '\nhel', 'lo']],
  [
    'after a login shell that says what it is told to do',
    [`+ sh -c 'echo' ${MARK} ls\n`, `${MARK} 42\nhello`],
  ],
  ['after what the login shell says', [`Welcome!\nccli-other 7\nno line end${MARK} 42\nhello`]],
])('the mark is found %s', (_how, chunks) => {
  expect(read(chunks)).toEqual({ text: 'hello', pid: 42, rest: '' });
});

test('what looks like the mark later on is of the command', () => {
  expect(read([`${MARK} 42\n`, `${MARK} 43\n`])).toEqual({ text: `${MARK} 43\n`, pid: 42, rest: '' });
});

const BOOT = '0b1c2d3e-1111-2222-3333-444455556666';

test.each([
  [
    'when it began',
    `${BOOT} 42 (a ) b) S 1 42 42 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 987654 2 3`,
    '987654',
  ],
  ['nothing of that where the host does not tell', '', undefined],
  ['nothing of that where what it tells is no such thing', `${BOOT} 42 (sh) S 1 2`, undefined],
])('the mark says %s', (_what, said, start) => {
  const marker = new Marker(MARK);
  marker.take(Buffer.from(`${MARK} 42 ${said}\nhello`));
  expect(marker.leader).toEqual({ pid: 42, birth: start === undefined ? undefined : { boot: BOOT, start } });
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
