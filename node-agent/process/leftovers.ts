/**
 * What an earlier life of the daemon left behind when it was killed: directories, and tools that still run. A tool is
 * known by the ledger of process groups, by where it works, and by a mark in its environment, which all that it starts
 * inherits.
 */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errorFields, type Log } from '../../protocol/daemon/log.ts';
import { leftoverMark, sweepLedger } from './ledger.ts';
import { bears, processIds, statusOf, worksIn } from './proc.ts';
import { stopGroup } from './terminate.ts';

interface Places {
  readonly agents: readonly { readonly id: string }[];
  readonly state_dir: string;
}

/** Clears away what any of the agents left. Never rejects: what remains is told to the log. */
export async function clearLeftovers({ agents, state_dir }: Places, log: Log): Promise<void> {
  try {
    const stopped = await sweepLedger(state_dir);
    if (stopped > 0) log.warn('leftovers_removed', { stopped });
  } catch (error) {
    log.warn('leftovers_remain', errorFields(error));
  }
  await Promise.all(
    agents.map(async ({ id: agent_id }) => {
      try {
        const swept = await sweepLeftovers(agent_id, state_dir);
        if (swept.stopped + swept.removed > 0) log.warn('leftovers_removed', { agent_id, ...swept });
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
): Promise<{ stopped: number; removed: number }> {
  const places = await Promise.all(
    ['homes', 'work'].map(async name => {
      const parent = join(state_dir, name);
      const names = await readdir(parent).catch(() => []);
      return names.filter(one => isOf(agent_id, one)).map(one => join(parent, one));
    }),
  );
  const paths = places.flat();
  const groups = groupsOf(paths, leftoverMark(agent_id, state_dir));
  await Promise.all(groups.map(pgid => stopGroup(pgid)));
  await Promise.all(paths.map(path => rm(path, { recursive: true, force: true, maxRetries: 5 })));
  return { stopped: groups.length, removed: paths.length };
}

/** As `mkdtemp` makes them: another agent's id may begin with this one's. */
const isOf = (agent_id: string, name: string): boolean =>
  name.startsWith(`${agent_id}-`) && /^[A-Za-z0-9]{6}$/.test(name.slice(agent_id.length + 1));

/** Groups of processes that work in one of these directories, have one as their home, or bear the mark. */
function groupsOf(paths: readonly string[], mark: Readonly<Record<string, string>>): number[] {
  const variables = new Set([
    ...paths.map(path => `GEMINI_CLI_HOME=${path}`),
    ...Object.entries(mark).map(([name, value]) => `${name}=${value}`),
  ]);
  const own = statusOf('self')?.group;
  const found = new Set<number>();
  for (const pid of processIds() ?? []) {
    const group = statusOf(pid)?.group;
    if (group !== undefined && group > 1 && group !== own && (bears(pid, variables) || worksIn(pid, paths)))
      found.add(group);
  }
  return [...found];
}
