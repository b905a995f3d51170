import { setTimeout as delay } from 'node:timers/promises';
import { limitedSignal } from '../../protocol/daemon/limited-signal.ts';
import { errorFields } from '../../protocol/daemon/log.ts';
import { isTerminal } from '../../protocol/task.ts';
import { contextFor, type McpDoor } from './door.ts';
import { cancelTask } from './run-task.ts';

const MOST_PARTS = 100;
const PAUSE_MS = 200;
const LIMIT_MS = 30_000;

/**
 * Cancels every part of a coordination, also those that are still to come: the first may not have been submitted yet,
 * and when the answers are in a judge may be asked. So it goes on until the asking has come to its end. Never rejects.
 *
 * @param asking resolves with whether no further part can come
 */
export async function cancelParts(
  door: McpDoor,
  coordination_id: string,
  asking: Promise<boolean>,
): Promise<void> {
  const state = { complete: false };
  void asking.then(known => {
    state.complete = known;
  });
  const { signal, late, clear } = limitedSignal([], LIMIT_MS);
  try {
    while (!signal.aborted) {
      // Read before the look: what was begun before the end of the asking is seen by it.
      const last = state.complete;
      if ((await cancelRunning(door, coordination_id, signal)) === 'none runs' && last) return;
      await delay(PAUSE_MS, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    clear();
    if (late()) door.log.warn('mcp_cancel_failed', { coordination_id });
  }
}

async function cancelRunning(
  door: McpDoor,
  coordination_id: string,
  signal: AbortSignal,
): Promise<'none runs' | 'some ran' | 'unknown'> {
  try {
    const request = { group: coordination_id, limit: MOST_PARTS };
    const { tasks } = await door.operations.list(request, contextFor(door, signal));
    const running = tasks.filter(({ status }) => !isTerminal(status));
    await Promise.all(running.map(({ task_id }) => cancelTask(door, task_id)));
    return running.length === 0 ? 'none runs' : 'some ran';
  } catch (error) {
    door.log.debug('mcp_parts_unknown', { coordination_id, ...errorFields(error) });
    return 'unknown';
  }
}
