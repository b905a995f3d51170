/**
 * Whose task is next. Larger priority first; within one, the caller who has the fewest tasks running where its own next
 * one could go, with the oldest of its own: so nobody waits because somebody else submits a lot, nor because of its own
 * tasks on agents that this one does not ask for. Of those who have equally many, the one comes first who has waited for
 * longest since it was last given one of these agents: an agent with a single slot goes round.
 *
 * Only tasks that would get an agent now stand in line. During a plan agents only become worse, so one that gets nothing
 * now is settled; it keeps back nobody, least of all the younger tasks of its own caller.
 */
import { createHeap, type Heap } from './heap.ts';
import type { Share } from './share.ts';

interface Turn {
  readonly caller: string;
  readonly seq: number;
  readonly options: { readonly priority?: number | undefined };
}

/** What a task would get now. */
export interface Prospect {
  /** What its caller has of the agents where this one could go. */
  readonly share: Share;
}

interface Line<T, P> {
  readonly tasks: readonly T[];
  next: number;
  /** Of the next one, as of that round. */
  prospect: P | undefined;
  round: number;
}

export interface Turns<T, P> {
  /** Each task that gets an agent, once. It has it before the next one is asked for. */
  next(): { readonly task: T; readonly prospect: P } | undefined;
}

const priorityOf = ({ options }: Turn): number => options.priority ?? 0;

/** @param look undefined for a task that gets nothing in this plan: it is not asked about again */
export function createTurns<T extends Turn, P extends Prospect>(
  tasks: readonly T[],
  look: (task: T) => P | undefined,
): Turns<T, P> {
  const levels = new Map<number, Map<string, T[]>>();
  for (const task of tasks) {
    const level = levels.get(priorityOf(task)) ?? new Map<string, T[]>();
    levels.set(priorityOf(task), level);
    const own = level.get(task.caller);
    if (own === undefined) level.set(task.caller, [task]);
    else own.push(task);
  }
  const waiting = [...levels].sort(([a], [b]) => b - a).map(([, level]) => level);
  const runningOf = ({ prospect }: Line<T, P>): number => prospect?.share.running ?? 0;
  const seqOf = ({ tasks, next }: Line<T, P>): number => tasks[next]?.seq ?? 0;
  /** Since when it waits for its turn: before its task came, it did not. */
  const sinceOf = (line: Line<T, P>): number => Math.max(seqOf(line), line.prospect?.share.served ?? 0);
  const before = (a: Line<T, P>, b: Line<T, P>): boolean =>
    (runningOf(a) - runningOf(b) || sinceOf(a) - sinceOf(b) || seqOf(a) - seqOf(b)) < 0;

  let lines: Heap<Line<T, P>> = createHeap(before, []);
  /** Grows with each task placed: what was seen before may be over. */
  let round = 0;
  let current: Line<T, P> | undefined;

  /** Goes on to the first task that would get an agent. */
  const seek = (line: Line<T, P>): boolean => {
    for (; line.next < line.tasks.length; line.next += 1) {
      const task = line.tasks[line.next];
      line.prospect = task && look(task);
      line.round = round;
      if (line.prospect !== undefined) return true;
    }
    return false;
  };

  const open = (level: ReadonlyMap<string, T[]>): Heap<Line<T, P>> => {
    const own = [...level.values()].map((tasks): Line<T, P> => {
      return { tasks: tasks.sort((a, b) => a.seq - b.seq), next: 0, prospect: undefined, round };
    });
    // What the tasks of one level are told does not depend on the order in which they are listed.
    return createHeap(before, own.sort((a, b) => seqOf(a) - seqOf(b)).filter(seek));
  };

  return {
    next() {
      // Its caller has one more running now; the shares of the others are what they were.
      if (current !== undefined) {
        current.next += 1;
        if (seek(current)) lines.add(current);
        current = undefined;
      }
      for (;;) {
        const line = lines.take();
        if (line === undefined) {
          const level = waiting.shift();
          if (level === undefined) return undefined;
          lines = open(level);
          continue;
        }
        if (line.round !== round) {
          if (seek(line)) lines.add(line);
          continue;
        }
        const task = line.tasks[line.next];
        const { prospect } = line;
        if (task === undefined || prospect === undefined) continue;
        round += 1;
        current = line;
        return { task, prospect };
      }
    },
  };
}
