/** A task by its id, wherever it was submitted: the store has the last word when the watch has not brought it yet. */
import type { Mirror } from './mirror.ts';
import type { TaskStore } from './store.ts';
import type { TaskEntry } from './task-entry.ts';

export async function lookUp(
  store: TaskStore,
  mirror: Mirror,
  task_id: string,
): Promise<TaskEntry | undefined> {
  const entry = mirror.get(task_id);
  if (entry !== undefined) return entry;
  const found = await store.request(task_id);
  if (found === undefined) return undefined;
  mirror.apply({ record: 'request', ...found });
  await refresh(store, mirror, task_id);
  return mirror.get(task_id);
}

/** Brings the mirror up to what the store holds of a task's state. */
export async function refresh(store: TaskStore, mirror: Mirror, task_id: string): Promise<void> {
  const state = await store.state(task_id);
  if (state === undefined) mirror.noState(task_id);
  else mirror.apply({ record: 'state', ...state });
}
