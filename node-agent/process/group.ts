/** Process groups: every tool leads one of its own, so that what it starts can be stopped with it. */
import { isDead, type ProcessStatus, processIds, statusOf } from './proc.ts';

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
  return members === undefined || members.some(member => !isDead(member));
}

/** A group's processes as Linux shows them; undefined where there is no /proc to ask. */
export const groupMembers = (pgid: number): ProcessStatus[] | undefined =>
  processIds()?.flatMap(pid => {
    const status = statusOf(pid);
    return status?.group === pgid ? [status] : [];
  });
