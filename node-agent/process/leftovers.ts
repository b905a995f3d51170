/**
 * What an earlier life of the daemon left behind when it was killed: directories, and tools that still run. A tool is
 * known by the ledger of process groups, and by a mark in its environment, which all that it starts inherits. Where it
 * works says nothing: an operator may be looking around there.
 */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errorFields, type Log } from '../../protocol/daemon/log.ts';
import { leftoverMark, type Swept, sweepLedger, swept } from './ledger.ts';
import { bears, processIds, statusOf } from './proc.ts';
import { GIVE_UP_MS, STOP_GRACE_MS, stopGroup } from './terminate.ts';

interface Places {
  readonly agents: readonly { readonly id: string }[];
  readonly state_dir: string;
}

/** Clears away what any of the agents left. Never rejects: what remains is told to the log. */
export async function clearLeftovers(
  { agents, state_dir }: Places,
  log: Log,
  give_up_ms: number = GIVE_UP_MS,
): Promise<void> {
  try {
    const { stopped, not_killed } = await sweepLedger(state_dir, give_up_ms);
    if (stopped > 0) log.warn('leftovers_removed', { stopped });
    for (const pgid of not_killed) log.error('process_not_killed', { pgid });
  } catch (error) {
    log.warn('leftovers_remain', errorFields(error));
  }
  await Promise.all(
    agents.map(async ({ id: agent_id }) => {
      try {
        const { stopped, removed, not_killed } = await sweepLeftovers(agent_id, state_dir, give_up_ms);
        if (stopped + removed > 0) log.warn('leftovers_removed', { agent_id, stopped, removed });
        for (const pgid of not_killed) log.error('process_not_killed', { agent_id, pgid });
      } catch (error) {
        // They take up room, and harm nobody.
        log.warn('leftovers_remain', { agent_id, ...errorFields(error) });
      }
    }),
  );
}

/** Ends the tools and removes the directories. Only for a time when the agent has nothing of its own yet. */
export async function sweepLeftovers(
  agent_id: string,
  state_dir: string,
  give_up_ms: number = GIVE_UP_MS,
): Promise<Swept & { readonly removed: number }> {
  const places = await Promise.all(
    ['homes', 'work'].map(async name => {
      const parent = join(state_dir, name);
      const names = await readdir(parent).catch(() => []);
      return names.filter(one => isOf(agent_id, one)).map(one => join(parent, one));
    }),
  );
  const paths = places.flat();
  const groups = groupsBearing(leftoverMark(agent_id, state_dir));
  await Promise.all(groups.map(pgid => stopGroup(pgid, STOP_GRACE_MS, give_up_ms)));
  await Promise.all(paths.map(path => rm(path, { recursive: true, force: true, maxRetries: 5 })));
  return { ...swept(groups), removed: paths.length };
}

/** As `mkdtemp` makes them: another agent's id may begin with this one's. */
const isOf = (agent_id: string, name: string): boolean =>
  name.startsWith(`${agent_id}-`) && /^[A-Za-z0-9]{6}$/.test(name.slice(agent_id.length + 1));

function groupsBearing(mark: Readonly<Record<string, string>>): number[] {
  const variables = new Set(Object.entries(mark).map(([name, value]) => `${name}=${value}`));
  const own = statusOf('self')?.group;
  const found = new Set<number>();
  for (const pid of processIds() ?? []) {
    const group = statusOf(pid)?.group;
    if (group !== undefined && group > 1 && group !== own && bears(pid, variables)) found.add(group);
  }
  return [...found];
}
