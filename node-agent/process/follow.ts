/**
 * Reads a file while a process writes it. Some CLIs leave without waiting for a slow reader of their pipe, and the
 * end of their output with it; what goes to a file is all there.
 */
import { type FSWatcher, watch } from 'node:fs';
import { open } from 'node:fs/promises';

/** Where the system tells of no changes, they are looked for this often. */
const LOOK_MS = 200;
const READ_BYTES = 256 * 1024;

/** Yields what comes until `done` has settled and everything is read. */
export async function* follow(file: string, done: Promise<unknown>): AsyncGenerator<Uint8Array> {
  const state = { done: false };
  let wake = (): void => undefined;
  void done.then(() => {
    state.done = true;
    wake();
  });
  const handle = await open(file, 'r');
  let watcher: FSWatcher | undefined;
  try {
    watcher = watch(file, () => {
      wake();
    });
    watcher.on('error', () => undefined);
    for (;;) {
      // Asked before reading: what was written before the end is then surely read.
      const last = state.done;
      const changed = new Promise<void>(resolve => {
        wake = resolve;
      });
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(READ_BYTES), 0, READ_BYTES);
      if (bytesRead > 0) yield buffer.subarray(0, bytesRead);
      else if (last) return;
      else await within(changed, LOOK_MS);
    }
  } finally {
    watcher?.close();
    await handle.close();
  }
}

async function within(event: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const elapsed = new Promise<void>(resolve => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([event, elapsed]);
  clearTimeout(timer);
}
