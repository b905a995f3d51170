/** What Linux tells of processes through /proc. Elsewhere there is nothing to see. */
import { readdirSync, readFileSync } from 'node:fs';

export interface ProcessStatus {
  /** One letter; `Z` and `X` are dead ones that nobody has collected yet. */
  readonly state: string;
  readonly group: number;
  readonly session: number;
  /** Clock ticks since the machine was started. */
  readonly start: number;
}

/** Undefined where there is no /proc to ask. */
export function processIds(): string[] | undefined {
  try {
    return readdirSync('/proc').filter(name => /^\d+$/.test(name));
  } catch {
    return undefined;
  }
}

/** Undefined for a process that has just gone. */
export function statusOf(pid: string): ProcessStatus | undefined {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name before it stands in parentheses and may hold anything.
    const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
    const [state = '', , group, session] = fields;
    return { state, group: Number(group), session: Number(session), start: Number(fields[19]) };
  } catch {
    return undefined;
  }
}

export const isDead = ({ state }: ProcessStatus): boolean => state === 'Z' || state === 'X';

/** Whether the environment it was started with has one of these, as in `NAME=value`. */
export function bears(pid: string, variables: ReadonlySet<string>): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8')
      .split('\0')
      .some(variable => variables.has(variable));
  } catch {
    // It has just gone, or belongs to somebody else.
    return false;
  }
}
