import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { readLines } from '../../../node-agent/line/read-lines.ts';

async function linesOf(pieces: readonly string[], max_bytes = 100): Promise<string[]> {
  const found: string[] = [];
  const source = Readable.from(pieces.map(piece => Buffer.from(piece)));
  for await (const line of readLines(source, max_bytes)) found.push(line.toString());
  return found;
}

test('lines are the same however the bytes come', async () => {
  const text = '{"a":1}\n\n{"b":"é"}\nlast';
  expect(await linesOf([text])).toEqual(['{"a":1}', '{"b":"é"}', 'last']);
  expect(await linesOf(text.split(/(?:)/u))).toEqual(['{"a":1}', '{"b":"é"}', 'last']);
});

test('a line of the most bytes there may be passes, and one of more does not', async () => {
  expect(await linesOf(['xxxx', '\nxxxx'], 4)).toEqual(['xxxx', 'xxxx']);
  for (const pieces of [['xxxxx\n'], ['xxx', 'xx']])
    await expect(linesOf(pieces, 4)).rejects.toMatchObject({ code: 'message_too_large' });
});
