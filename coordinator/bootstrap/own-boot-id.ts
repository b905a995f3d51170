/** By which a host can be told to be this very machine. */
import { readFile } from 'node:fs/promises';

/** Undefined where there is no such thing. */
export async function ownBootId(): Promise<string | undefined> {
  try {
    return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  } catch {
    // No Linux.
    return undefined;
  }
}
