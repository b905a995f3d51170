/**
 * What a tool has started and let go: children with a session of their own, which no signal to the tool's group
 * reaches. They are known by a mark in the environment that is this one process's alone.
 */
import { randomUUID } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { bears, isDead, processIds, statusOf } from './proc.ts';
import { stopGroup } from './terminate.ts';

const TOOL_MARK = 'CCLI_TOOL';

/** Makes the mark of one tool process. */
export const strayMark = (): Readonly<Record<string, string>> => ({ [TOOL_MARK]: randomUUID() });

/** Short: it comes on top of the tool's own grace. */
const GRACE_MS = 500;
/** Looked at between two turns of the event loop. */
const AT_ONCE = 50;

/** Ends all that bears the mark, until nothing does. Returns how many groups there were. */
export async function stopStrays(mark: Readonly<Record<string, string>>): Promise<number> {
  let stopped = 0;
  for (;;) {
    const groups = await groupsBearing(mark);
    if (groups.length === 0) return stopped;
    stopped += groups.length;
    await Promise.all(groups.map(pgid => stopGroup(pgid, GRACE_MS)));
  }
}

async function groupsBearing(mark: Readonly<Record<string, string>>): Promise<number[]> {
  const variables = new Set(Object.entries(mark).map(([name, value]) => `${name}=${value}`));
  const own = statusOf('self')?.group;
  const found = new Set<number>();
  for (const [index, pid] of (processIds() ?? []).entries()) {
    if (index % AT_ONCE === AT_ONCE - 1) await turn();
    if (!bears(pid, variables)) continue;
    const status = statusOf(pid);
    if (status !== undefined && !isDead(status) && status.group > 1 && status.group !== own)
      found.add(status.group);
  }
  return [...found];
}
