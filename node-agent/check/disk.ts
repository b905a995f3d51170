/** Whether the disk takes results. */
import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Check } from '../../protocol/daemon/checks.ts';
import { fail, ok, type Verdict, warn } from '../../protocol/finding.ts';
import { RESERVE_BYTES } from '../surroundings.ts';
import { type CheckContext, configOf } from './context.ts';

export const diskCheck: Check<CheckContext> = {
  id: 'disk',
  title: 'the room for results',
  limit_ms: 5_000,
  needs: ['config'],
  async run(context) {
    const { state_dir, max_output } = configOf(context);
    return [judgeDisk({ free_bytes: await freeBytes(state_dir), max_output_bytes: max_output, state_dir })];
  },
};

interface DiskFacts {
  readonly free_bytes: number;
  /** Of one result. */
  readonly max_output_bytes: number;
  readonly state_dir: string;
}

const MIB = 1024 * 1024;
/** Below this, a busy day fills it. */
const LITTLE_BYTES = 1024 * MIB;

export function judgeDisk({ free_bytes, max_output_bytes, state_dir }: DiskFacts): Verdict {
  const free = `${Math.floor(free_bytes / MIB)} MiB`;
  const mend = `Free some there, or set state_dir to another disk.`;
  if (free_bytes <= RESERVE_BYTES + max_output_bytes)
    return fail(`The disk of ${state_dir} has ${free} left: the node takes nothing new.`, mend, {
      code: 'disk_full',
    });
  if (free_bytes < LITTLE_BYTES) return warn(`The disk of ${state_dir} has only ${free} left.`, mend);
  return ok(`The disk of ${state_dir} has ${free} left.`);
}

/** Of the nearest directory that is there. */
async function freeBytes(path: string): Promise<number> {
  for (let at = path; ; at = dirname(at)) {
    try {
      const { bavail, bsize } = await statfs(at);
      return bavail * bsize;
    } catch (error) {
      if (at === dirname(at)) throw error;
    }
  }
}
