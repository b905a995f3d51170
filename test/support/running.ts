import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { waitFor } from './wait.ts';

/** Whether a process runs. One that has ended and was not collected by its parent does not. */
export function runs(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    const line = readFileSync(`/proc/${String(pid)}/stat`, 'latin1');
    return !['Z', 'X'].includes(line.slice(line.lastIndexOf(')') + 2).charAt(0));
  } catch {
    return false;
  }
}

/** The ids that a stand-in of ours writes to a file, once they are all there. */
export const readPids = (file: string): Promise<number[]> =>
  waitFor(async () => {
    const text = await readFile(file, 'utf8');
    return text.endsWith('\n') && text.trim().split(' ').map(Number);
  });
