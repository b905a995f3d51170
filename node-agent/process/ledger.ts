/**
 * Which process groups an agent's tools lead, written down as long as they live: a daemon that was killed finds them
 * again by group and start time. One small file a group; it need not survive a power cut, which no process does.
 *
 *     processes/<pid>   {"pgid", "process_start", "space", "agent_id"}
 */
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { readJson } from '../../protocol/daemon/atomic-file.ts';
import { identify, processSpace } from '../../protocol/daemon/process-identity.ts';
import { CcliError } from '../../protocol/errors.ts';
import { groupMembers, groupRuns } from './group.ts';
import { isDead } from './proc.ts';
import { GIVE_UP_MS, STOP_GRACE_MS, stopGroup } from './terminate.ts';

const AGENT_MARK = 'CCLI_AGENT_STATE';

/** What every tool of an agent has in its environment, and all that it starts inherits. */
export const leftoverMark = (agent_id: string, state_dir: string): Readonly<Record<string, string>> => ({
  [AGENT_MARK]: join(state_dir, agent_id),
});

const GroupSchema = z.object({
  pgid: z.int().min(2),
  process_start: z.string().min(1),
  /** Where the two before it mean anything: a boot, and a container. */
  space: z.string().optional(),
  agent_id: z.string(),
});
type Group = z.infer<typeof GroupSchema>;

const folder = (state_dir: string): string => join(state_dir, 'processes');

/**
 * Writes down a group that has just been started, if the mark in its environment says whose it is. The function
 * returned takes it off again, once the group is gone; what could not be killed stays for the next life to try.
 *
 * @throws CcliError `outbox_full` when it cannot be written
 */
export async function recordGroup(
  env: Readonly<Record<string, string>>,
  pgid: number,
): Promise<() => Promise<void>> {
  const mark = env[AGENT_MARK];
  const [process_start, space] = await Promise.all([identify(pgid), processSpace()]);
  // One that has ended already leaves nothing to be found.
  if (mark === undefined || process_start === undefined) return () => Promise.resolve();
  const directory = folder(dirname(mark));
  const file = join(directory, String(pgid));
  const group: Group = { pgid, process_start, space, agent_id: basename(mark) };
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await writeFile(file, JSON.stringify(group), { mode: 0o600 });
  } catch (cause) {
    throw new CcliError(
      'outbox_full',
      `The node-agent cannot write down which processes it starts in ${directory}; see to its disk.`,
      { cause },
    );
  }
  return async () => {
    if (!groupRuns(pgid)) await rm(file, { force: true });
  };
}

/** What became of the groups that ran: how many have ended, and which could not be killed. */
export interface Swept {
  readonly stopped: number;
  readonly not_killed: readonly number[];
}

/** Ends what still runs of the groups an earlier life has written down, and clears the ledger of all that is gone. */
export async function sweepLedger(state_dir: string, give_up_ms: number = GIVE_UP_MS): Promise<Swept> {
  const directory = folder(state_dir);
  const names = await readdir(directory).catch(() => []);
  const groups = await Promise.all(
    names.map(async name => {
      const file = join(directory, name);
      const group = await readJson(file, GroupSchema);
      const ours = group !== undefined && (await stillRuns(group));
      if (ours) await stopGroup(group.pgid, STOP_GRACE_MS, give_up_ms);
      if (!ours || !groupRuns(group.pgid)) await rm(file, { recursive: true, force: true });
      return ours ? [group.pgid] : [];
    }),
  );
  return swept(groups.flat());
}

/** To be asked after `stopGroup`. */
export function swept(groups: readonly number[]): Swept {
  const not_killed = groups.filter(groupRuns);
  return { stopped: groups.length - not_killed.length, not_killed };
}

async function stillRuns({ pgid, process_start, space }: Group): Promise<boolean> {
  if (space !== (await processSpace())) return false;
  const leader = await identify(pgid);
  if (leader !== undefined) return leader === process_start;
  // The leader is dead. As long as anything of its group lives, nobody else gets its id: what bears it is ours, unless
  // all of it has ended meanwhile and a later session got the number and lost its leader as well.
  const began = Number(process_start.split('/').at(-1));
  const living = groupMembers(pgid)?.filter(member => !isDead(member)) ?? [];
  return living.length > 0 && living.every(member => member.session === pgid && member.start >= began);
}
