/** The last few records this process has written and that never change: they are asked for again right after. */
export interface Recent<T> {
  put(task_id: string, value: T): void;
  get(task_id: string): T | undefined;
  /** The id may come to mean another task, once this one is purged. */
  forget(task_id: string): void;
  clear(): void;
}

/** A record is at most some 256 KiB, so this is at most 8 MiB. */
const KEPT = 32;

export function createRecent<T>(): Recent<T> {
  const kept = new Map<string, T>();
  return {
    put(task_id, value) {
      kept.set(task_id, value);
      for (const oldest of kept.keys()) {
        if (kept.size <= KEPT) break;
        kept.delete(oldest);
      }
    },
    get: task_id => kept.get(task_id),
    clear() {
      kept.clear();
    },
    forget(task_id) {
      kept.delete(task_id);
    },
  };
}
