import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Baseline } from '../../../coordinator/baseline/baseline.ts';
import {
  directoryOf,
  KEPT,
  readBaseline,
  saveBaseline,
  savedBaselines,
} from '../../../coordinator/baseline/saved.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const baseline = (second: number): Baseline => ({
  v: 1,
  name: 'walnut',
  taken_at: new Date(Date.UTC(2026, 10, 23, 8, 0, second)).toISOString(),
  ccli_version: '0.1.0',
  prompt_bytes: 2,
  series: [],
  notes: [],
});

describe('saved baselines', () => {
  test('come back as they were, oldest first, and only their owner may read them', async () => {
    const directory = join(await temporaryDirectory(), 'walnut');
    const file = await saveBaseline(directory, baseline(2));
    await saveBaseline(directory, baseline(1));
    expect(await savedBaselines(directory)).toEqual([baseline(1), baseline(2)]);
    expect(await readBaseline(file)).toEqual(baseline(2));
    expect((await stat(file)).mode & 0o077).toBe(0);
  });

  test('are kept up to a number; the oldest go', async () => {
    const directory = await temporaryDirectory();
    for (let second = 0; second < KEPT + 3; second += 1) await saveBaseline(directory, baseline(second));
    const saved = await savedBaselines(directory);
    expect(saved).toHaveLength(KEPT);
    expect(saved[0]).toEqual(baseline(3));
    expect(await readdir(directory)).toHaveLength(KEPT);
  });

  test('of none are an empty list, and what is no baseline is passed over', async () => {
    const directory = await temporaryDirectory();
    expect(await savedBaselines(join(directory, 'nowhere'))).toEqual([]);
    await writeFile(join(directory, '2026.json'), '{"v": 2}');
    await writeFile(join(directory, '2027.json'), 'half a fi');
    await saveBaseline(directory, baseline(1));
    expect(await savedBaselines(directory)).toEqual([baseline(1)]);
  });

  test('have a directory for each name, and no name leads elsewhere', () => {
    const environment = { XDG_STATE_HOME: '/state' };
    expect(directoryOf(environment, 'walnut')).toBe('/state/ccli/bench/walnut');
    expect(directoryOf(environment, 'me@[fe80::1]/../..')).toBe(
      '/state/ccli/bench/me%40%5Bfe80%3A%3A1%5D%2F..%2F..',
    );
  });

  test('that cannot be written are told as output_failed, and one that is none as invalid_request', async () => {
    const directory = await temporaryDirectory();
    await writeFile(join(directory, 'taken'), '');
    const saving = saveBaseline(join(directory, 'taken'), baseline(1));
    await expect(saving).rejects.toMatchObject({ code: 'output_failed' });
    await mkdir(join(directory, 'a directory'));
    await expect(readBaseline(join(directory, 'a directory'))).rejects.toMatchObject({
      code: 'invalid_request',
    });
  });
});
