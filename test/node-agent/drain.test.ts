import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createDrain } from '../../node-agent/drain.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

test('a drained node stays so through restarts, until it is told otherwise', async () => {
  const directory = await temporaryDirectory();
  const first = await createDrain(directory);
  expect(first.draining).toBe(false);
  const written = first.set(true);
  expect(first.draining).toBe(true);
  await written;
  const second = await createDrain(directory);
  expect(second.draining).toBe(true);
  await second.set(false);
  expect((await createDrain(directory)).draining).toBe(false);
});

test('a daemon that stops drains for the rest of its life and no longer, whatever it is told', async () => {
  const directory = await temporaryDirectory();
  const drain = await createDrain(directory);
  drain.stop();
  await drain.set(false);
  expect(drain.draining).toBe(true);
  expect((await createDrain(directory)).draining).toBe(false);
});

test('of words that come at once, the last one holds on disk too', async () => {
  const directory = await temporaryDirectory();
  const drain = await createDrain(directory);
  await Promise.all([drain.set(true), drain.set(false), drain.set(true), drain.set(false)]);
  expect(await readdir(directory)).toEqual([]);
});

test('a word that cannot be written holds, and whoever gave it is told', async () => {
  const directory = await temporaryDirectory();
  const drain = await createDrain(directory);
  await mkdir(join(directory, 'drained'));
  await expect(drain.set(true)).rejects.toMatchObject({ code: 'outbox_full' });
  expect(drain.draining).toBe(true);
});
