/**
 * What a tool has started and let go: children with a session of their own, which no signal to the tool's group
 * reaches. They are known by a mark in the environment that is this one process's alone.
 */
import { randomUUID } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { bears, isDead, processIds, statusOf } from './proc.ts';
import { GIVE_UP_MS, stopGroup } from './terminate.ts';

const TOOL_MARK = 'CCLI_TOOL';

/** Makes the mark of one tool process. */
export const strayMark = (): Readonly<Record<string, string>> => ({ [TOOL_MARK]: randomUUID() });

/** Short: it comes on top of the tool's own grace. */
const GRACE_MS = 500;
/** Looked at between two turns of the event loop. */
const AT_ONCE = 50;

interface StrayOptions {
  /** Groups on which `stopGroup` has spent its patience already. */
  readonly stopped?: readonly number[];
  readonly give_up_ms?: number;
}

/**
 * Ends all that bears the mark, until nothing does, or until what does cannot be ended: it starts itself anew all the
 * time, or no signal helps. Returns the groups that are left.
 */
export async function stopStrays(
  mark: Readonly<Record<string, string>>,
  { stopped = [], give_up_ms = GIVE_UP_MS }: StrayOptions = {},
): Promise<number[]> {
  const deadline = performance.now() + give_up_ms;
  const tried = new Set(stopped);
  for (let again = false; ; again = true) {
    const groups = await groupsBearing(mark);
    // One that was there before has had its SIGKILL and all the patience there is.
    const fresh = groups.filter(pgid => !tried.has(pgid));
    if (fresh.length === 0 || (again && performance.now() >= deadline)) return groups;
    for (const pgid of fresh) tried.add(pgid);
    await Promise.all(fresh.map(pgid => stopGroup(pgid, GRACE_MS, give_up_ms)));
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
