import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createBoundedLog } from '../../../node-agent/line/bounded-log.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

test('a log keeps what was said last, in two files of bounded size', async () => {
  const directory = await temporaryDirectory();
  const file = join(directory, 'log');
  const line = (n: number): string => `${String(n).padStart(9)}\n`;
  for (let life = 0; life < 2; life += 1) {
    const log = createBoundedLog(file, 100);
    for (let n = 0; n < 100; n += 1) log.write(line(n));
  }
  expect((await readdir(directory)).sort()).toEqual(['log', 'log.1']);
  const [now, former] = await Promise.all([readFile(file, 'utf8'), readFile(`${file}.1`, 'utf8')]);
  expect(Math.max(now.length, former.length)).toBeLessThanOrEqual(110);
  expect(former + now).toMatch(/ 98\n {7}99\n$/);
});

test('a log that cannot be written harms nobody', async () => {
  const log = createBoundedLog(join(await temporaryDirectory(), 'missing', 'log'));
  log.write('x\n');
});
