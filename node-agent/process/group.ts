/** Process groups: every tool leads one of its own, so that what it starts can be stopped with it. */
import { readdirSync, readFileSync } from 'node:fs';

/** Sends a signal to a whole group; false when there is no such group any more. */
export function signalGroup(pgid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-pgid, signal);
    return true;
  } catch (error) {
    // EPERM: it is there, and some of it belongs to another user.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/** Whether anything of the group still runs. Dead members that nobody has collected yet do not count. */
export function groupRuns(pgid: number): boolean {
  if (!signalGroup(pgid, 0)) return false;
  const members = groupMembers(pgid);
  return members === undefined || members.some(state => state !== 'Z' && state !== 'X');
}

/** States of a group's processes as Linux shows them; undefined where there is no /proc to ask. */
function groupMembers(pgid: number): string[] | undefined {
  let names: string[];
  try {
    names = readdirSync('/proc').filter(name => /^\d+$/.test(name));
  } catch {
    return undefined;
  }
  return names.flatMap(pid => {
    const [state, , group] = statusFields(pid);
    return Number(group) === pgid && state !== undefined ? [state] : [];
  });
}

/** Fields of /proc/<pid>/stat from the state on; empty for a process that has just gone. */
function statusFields(pid: string): string[] {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name before it stands in parentheses and may hold anything.
    return line.slice(line.lastIndexOf(')') + 2).split(' ');
  } catch {
    return [];
  }
}
