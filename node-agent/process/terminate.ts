/** The kill ladder: a polite signal to the whole group, some patience, then SIGKILL. */
import { setTimeout as delay } from 'node:timers/promises';
import { groupRuns, signalGroup } from './group.ts';

/** How long a tool may take to clean up after itself. A cancel is to be answered within 5 s, whatever the tool does. */
export const STOP_GRACE_MS = 2_500;
const POLL_MS = 10;

/** Settles once nothing of the group runs any more. */
export async function stopGroup(pgid: number, grace_ms: number = STOP_GRACE_MS): Promise<void> {
  if (!signalGroup(pgid, 'SIGTERM')) return;
  const deadline = performance.now() + grace_ms;
  while (performance.now() < deadline) {
    if (!groupRuns(pgid)) return;
    await delay(POLL_MS);
  }
  // A group can grow while it is being killed: the signal goes out until nobody is left.
  while (groupRuns(pgid)) {
    signalGroup(pgid, 'SIGKILL');
    await delay(POLL_MS);
  }
}
