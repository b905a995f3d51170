import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createCooldownFile } from '../../node-agent/cooldown-file.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const limited = { code: 'rate_limited', remaining_ms: 60_000 } as const;

/** The same file through several lives, under a clock that can be set. */
async function lives() {
  const directory = await temporaryDirectory();
  return { directory, life: (at_ms: number) => createCooldownFile(directory, 'one', () => at_ms) };
}

test('a cooldown goes on after a restart with what is left of it, and is over in time', async () => {
  const { life } = await lives();
  await life(1_000_000).save(limited);
  expect(await life(1_020_000).load()).toEqual({ ...limited, remaining_ms: 40_000 });
  expect(await life(1_060_000).load()).toBeUndefined();
});

test('a clock set back by a day cannot make it endless: however often the daemon restarts, it runs out', async () => {
  const { life } = await lives();
  await life(100_000_000).save(limited);
  const stepped = 100_000_000 - 86_400_000;
  expect(await life(stepped).load()).toEqual(limited);
  expect(await life(stepped + 30_000).load()).toEqual({ ...limited, remaining_ms: 30_000 });
  expect(await life(stepped + 60_000).load()).toBeUndefined();
});

test('where there is none, or something else, nothing is cooling down', async () => {
  const { directory, life } = await lives();
  expect(await life(0).load()).toBeUndefined();
  await mkdir(join(directory, 'cooldowns'));
  await writeFile(
    join(directory, 'cooldowns', 'one.json'),
    '{"code":"cancelled","ends_at_ms":9,"granted_ms":9}',
  );
  expect(await life(0).load()).toBeUndefined();
});
