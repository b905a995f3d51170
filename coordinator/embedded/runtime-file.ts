/** What a running fleet leaves in its state directory, so that commands find it. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { readJson, writeJson } from '../../protocol/daemon/atomic-file.ts';
import { identify } from '../../protocol/daemon/process-identity.ts';
import type { Environment } from '../../protocol/daemon/settings.ts';
import { xdgDir } from './environment.ts';

/** Where `ccli up` keeps a fleet when no directory is named. */
export const defaultStateDir = (environment: Environment): string =>
  xdgDir(environment, 'XDG_STATE_HOME', ['.local', 'state']);

const RuntimeFileSchema = z.object({
  /** Without credentials: those stay in the files that the environment names. */
  nats_url: z.string().min(1),
  prefix: z.string().min(1),
  /** Of the process that holds the fleet together. */
  pid: z.int().positive(),
  /** Tells that process from a later one with its id. */
  process_start: z.string(),
  node: z.string().min(1),
  started_at: z.iso.datetime(),
});
export type RuntimeFile = z.infer<typeof RuntimeFileSchema>;

const fileOf = (state_dir: string): string => join(state_dir, 'fleet.json');

export async function writeRuntimeFile(
  state_dir: string,
  { nats_url, prefix, node }: Pick<RuntimeFile, 'nats_url' | 'prefix' | 'node'>,
): Promise<void> {
  const file: RuntimeFile = {
    nats_url,
    prefix,
    node,
    pid: process.pid,
    process_start: (await identify(process.pid)) ?? '',
    started_at: new Date().toISOString(),
  };
  await writeJson(fileOf(state_dir), file);
}

/** Undefined when no fleet runs there, also when one was killed and could not tidy up. */
export async function readRuntimeFile(state_dir: string): Promise<RuntimeFile | undefined> {
  const file = await readJson(fileOf(state_dir), RuntimeFileSchema);
  if (file === undefined) return undefined;
  return (await identify(file.pid)) === file.process_start ? file : undefined;
}

export async function removeRuntimeFile(state_dir: string): Promise<void> {
  await rm(fileOf(state_dir), { force: true });
}
