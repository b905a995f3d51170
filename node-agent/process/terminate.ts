/** The kill ladder: a polite signal to the whole group, some patience, then SIGKILL, and an end to that as well. */
import { setTimeout as delay } from 'node:timers/promises';
import { groupRuns, signalGroup } from './group.ts';

/** How long a tool may take to clean up after itself. A cancel is to be answered within 5 s, whatever the tool does. */
export const STOP_GRACE_MS = 2_500;
/** What SIGKILL has not ended by then hangs in the kernel or belongs to another user; no later signal ends it sooner. */
export const GIVE_UP_MS = 10_000;
/** Each look reads all of /proc: the pauses between them grow. */
const FIRST_PAUSE_MS = 10;
const GRACE_PAUSE_MS = 100;
const LAST_PAUSE_MS = 1_000;

/**
 * Settles once nothing of the group runs any more, or SIGKILL was of no use for `give_up_ms`: `groupRuns` tells which.
 */
export async function stopGroup(
  pgid: number,
  grace_ms: number = STOP_GRACE_MS,
  give_up_ms: number = GIVE_UP_MS,
): Promise<void> {
  if (!signalGroup(pgid, 'SIGTERM')) return;
  if (await endsWithin(pgid, { limit_ms: grace_ms, pause_ms: GRACE_PAUSE_MS })) return;
  // A group can grow while it is being killed: the signal goes out again as long as somebody is left.
  await endsWithin(pgid, {
    limit_ms: give_up_ms,
    pause_ms: LAST_PAUSE_MS,
    onFound: () => signalGroup(pgid, 'SIGKILL'),
  });
}

interface Patience {
  readonly limit_ms: number;
  /** The longest pause between two looks. */
  readonly pause_ms: number;
  readonly onFound?: () => void;
}

async function endsWithin(pgid: number, { limit_ms, pause_ms, onFound }: Patience): Promise<boolean> {
  const deadline = performance.now() + limit_ms;
  for (let pause = FIRST_PAUSE_MS; groupRuns(pgid); pause = Math.min(2 * pause, pause_ms)) {
    onFound?.();
    const left = deadline - performance.now();
    if (left <= 0) return false;
    await delay(Math.min(pause, left));
  }
  return true;
}
