/** Baselines of earlier days: a directory a name, a file a baseline, whole or not at all. */
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { readJson, writeJson } from '../../protocol/daemon/atomic-file.ts';
import type { Environment } from '../../protocol/daemon/settings.ts';
import { CcliError } from '../../protocol/errors.ts';
import { xdgDir } from '../embedded/environment.ts';
import { type Baseline, BaselineSchema } from './baseline.ts';

/** Of one name; the oldest goes first. */
export const KEPT = 50;

/** A name is whatever `ssh` takes: it never leads out of the directory. */
export const directoryOf = (environment: Environment, name: string): string =>
  join(xdgDir(environment, 'XDG_STATE_HOME', ['.local', 'state']), 'bench', encodeURIComponent(name));

/** Oldest first. A file that is none, or of a version that this program does not know, is passed over. */
export async function savedBaselines(directory: string): Promise<Baseline[]> {
  const read = (await files(directory)).map(file => readJson(join(directory, file), BaselineSchema));
  return (await Promise.all(read)).filter(baseline => baseline !== undefined);
}

/** @returns where it is @throws CcliError `output_failed` */
export async function saveBaseline(directory: string, baseline: Baseline): Promise<string> {
  const file = join(directory, `${baseline.taken_at.replaceAll(':', '-')}.json`);
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await writeJson(file, baseline);
    const too_many = (await files(directory)).slice(0, -KEPT);
    for (const old of too_many) await rm(join(directory, old), { force: true });
    return file;
  } catch (cause) {
    throw new CcliError(
      'output_failed',
      `The baseline could not be saved to ${directory}; make room there, or measure with --no-save.`,
      { cause },
    );
  }
}

/** @throws CcliError `invalid_request` when it is none */
export async function readBaseline(file: string): Promise<Baseline> {
  try {
    return BaselineSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch (cause) {
    throw new CcliError(
      'invalid_request',
      `${file} is no baseline that this ccli can read; name one that \`ccli bench\` has saved.`,
      { cause },
    );
  }
}

/** Their names begin with the time, so the order of names is that of time. */
async function files(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory)).filter(file => file.endsWith('.json')).sort();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}
