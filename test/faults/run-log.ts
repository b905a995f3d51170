/** What tools and model say about themselves: one line for each run, written before a byte of it is printed. */
import { appendFileSync, closeSync, mkdirSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { RUN_KINDS, type RunKind } from './kinds.ts';
import type { Script } from './script.ts';

const RunSchema = z.object({
  n: z.int().nonnegative(),
  /** From 0, in the order in which the runs of a task began. */
  run: z.int().nonnegative(),
  by: z.string(),
  kind: z.enum(RUN_KINDS),
  /** Of the whole answer that this run meant to print; absent when it meant to print none that counts. */
  sha256: z.string().optional(),
  bytes: z.int().nonnegative(),
  at_ms: z.int(),
});
export type Run = z.infer<typeof RunSchema>;

const RUNS = 'runs';
const LOG = 'runs.ndjson';

/** Takes the next run of the task: no other process can take the same. */
export function takeRun(directory: string, script: Script): { run: number; kind: RunKind } {
  mkdirSync(join(directory, RUNS), { recursive: true });
  for (let run = 0; ; run += 1) {
    try {
      closeSync(openSync(join(directory, RUNS, `${script.n}.${run}`), 'wx'));
      return { run, kind: script.runs[run] ?? 'ok' };
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    }
  }
}

/** One write, appended: lines of several processes never mix. */
export function logRun(directory: string, run: Run): void {
  appendFileSync(join(directory, LOG), `${JSON.stringify(run)}\n`);
}

export async function readRuns(directory: string): Promise<Run[]> {
  const text = await readFile(join(directory, LOG), 'utf8').catch(() => '');
  return text
    .split('\n')
    .filter(line => line !== '')
    .map(line => RunSchema.parse(JSON.parse(line)));
}
