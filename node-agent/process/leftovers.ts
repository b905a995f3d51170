/** What an earlier life of the daemon left behind when it was killed: directories, and tools that still run in them. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { stopGroup } from './terminate.ts';

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
  const groups = paths.length === 0 ? [] : groupsIn(paths);
  await Promise.all(groups.map(pgid => stopGroup(pgid)));
  await Promise.all(paths.map(path => rm(path, { recursive: true, force: true, maxRetries: 5 })));
  return { stopped: groups.length, removed: paths.length };
}

/** As `mkdtemp` makes them: another agent's id may begin with this one's. */
const isOf = (agent_id: string, name: string): boolean =>
  name.startsWith(`${agent_id}-`) && /^[A-Za-z0-9]{6}$/.test(name.slice(agent_id.length + 1));

/** Groups of processes that work in one of these directories or have one in their environment. */
function groupsIn(paths: readonly string[]): number[] {
  const own = groupOf('self');
  const found = new Set<number>();
  for (const pid of processIds()) {
    const group = groupOf(pid);
    if (group !== undefined && group > 1 && group !== own && uses(pid, paths)) found.add(group);
  }
  return [...found];
}

function processIds(): string[] {
  try {
    return readdirSync('/proc').filter(name => /^\d+$/.test(name));
  } catch {
    // A system that cannot tell.
    return [];
  }
}

function groupOf(pid: string): number | undefined {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return Number(line.slice(line.lastIndexOf(')') + 2).split(' ')[2]);
  } catch {
    return undefined;
  }
}

function uses(pid: string, paths: readonly string[]): boolean {
  try {
    const cwd = readlinkSync(`/proc/${pid}/cwd`);
    const home = /(?:^|\0)GEMINI_CLI_HOME=([^\0]*)/.exec(readFileSync(`/proc/${pid}/environ`, 'utf8'))?.[1];
    return paths.some(path => cwd === path || cwd.startsWith(`${path}/`) || home === path);
  } catch {
    // It has just gone, or belongs to somebody else.
    return false;
  }
}
