/** Whether a process runs. One that has ended and was not collected by its parent does not. */
import { readFileSync } from 'node:fs';

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
