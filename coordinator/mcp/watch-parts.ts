/** Tells how the parts of a coordination come along, from what happens in the fleet. */
import { errorFields } from '../../protocol/daemon/log.ts';
import type { TaskStatus } from '../../protocol/task.ts';
import { contextFor, type McpDoor } from './door.ts';
import type { Progress } from './progress.ts';

/** Until `signal` aborts. Never rejects: progress is a courtesy. */
export async function watchParts(
  door: McpDoor,
  coordination_id: string,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  const said = new Map<string, TaskStatus>();
  try {
    for await (const event of door.streams.fleet({}, contextFor(door, signal))) {
      if (event.event !== 'fleet' || event.fleet.kind !== 'task') continue;
      const { task_id, status, agent_id } = event.fleet;
      if (!task_id.startsWith(`${coordination_id}-`) || said.get(task_id) === status) continue;
      said.set(task_id, status);
      const answered = [...said.values()].filter(one => one === 'completed').length;
      progress.say(`${agent_id ?? task_id} ${SAYS[status]}; ${answered} of ${said.size} have answered`);
    }
  } catch (error) {
    if (!signal.aborted) door.log.debug('mcp_parts_unwatched', { coordination_id, ...errorFields(error) });
  }
}

const SAYS: Readonly<Record<TaskStatus, string>> = {
  queued: 'is queued',
  assigned: 'is assigned',
  running: 'is running',
  completed: 'has answered',
  failed: 'has failed',
  cancelled: 'was cancelled',
};
