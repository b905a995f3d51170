/** The tasks of each conversation in the order in which they came, so that nobody looks through all tasks for them. */
import { isTerminal } from '../protocol/task.ts';
import type { SessionFacts } from './core/choose.ts';
import type { TaskEntry } from './task-entry.ts';

export interface SessionIndex {
  add(entry: TaskEntry): void;
  /** It has become something else. */
  update(entry: TaskEntry): void;
  remove(entry: TaskEntry): void;
  clear(): void;
  /** Earlier tasks of the entry's session, oldest first; none for one that belongs to no session. */
  earlier(entry: TaskEntry): readonly TaskEntry[];
  /** What the planner needs to know of them; undefined for a task that belongs to no session. */
  facts(entry: TaskEntry): SessionFacts | undefined;
}

/** Both by `seq`. */
interface Session {
  readonly turns: TaskEntry[];
  /** Those that have not ended. */
  readonly open: TaskEntry[];
}

export function createSessionIndex(): SessionIndex {
  const sessions = new Map<string, Session>();

  const remove = (entry: TaskEntry): void => {
    const key = keyOf(entry);
    const session = key === undefined ? undefined : sessions.get(key);
    if (key === undefined || session === undefined) return;
    leave(session.turns, entry);
    leave(session.open, entry);
    if (session.turns.length === 0) sessions.delete(key);
  };

  const sessionOf = (entry: TaskEntry): Session | undefined => {
    const key = keyOf(entry);
    return key === undefined ? undefined : sessions.get(key);
  };

  return {
    add(entry) {
      const key = keyOf(entry);
      if (key === undefined) return;
      const session = sessions.get(key) ?? { turns: [], open: [] };
      sessions.set(key, session);
      join(session.turns, entry);
      if (!isTerminal(entry.state.status)) join(session.open, entry);
    },
    update(entry) {
      const session = sessionOf(entry);
      if (session !== undefined && isTerminal(entry.state.status)) leave(session.open, entry);
    },
    remove,
    clear() {
      sessions.clear();
    },
    earlier(entry) {
      const turns = sessionOf(entry)?.turns;
      return turns === undefined ? [] : turns.slice(0, placeOf(turns, entry.seq));
    },
    facts(entry) {
      const session = sessionOf(entry);
      if (session === undefined) return undefined;
      const earliest = session.open[0];
      // Turns run one after another: whose agent it will be is not known before the turn before has ended.
      if (earliest !== undefined && earliest.seq < entry.seq) return { earlier_pending: true };
      for (let index = placeOf(session.turns, entry.seq) - 1; index >= 0; index -= 1) {
        const agent = answererOf(session.turns[index]);
        if (agent !== undefined) return { earlier_pending: false, agent };
      }
      return { earlier_pending: false };
    },
  };
}

/** Sessions of different callers never meet; no caller's name has a space in it. */
const keyOf = ({ caller, options }: TaskEntry): string | undefined =>
  options.session_id === undefined ? undefined : `${caller} ${options.session_id}`;

function answererOf(turn: TaskEntry | undefined): SessionFacts['agent'] {
  if (turn?.state.status !== 'completed') return undefined;
  const { attempts, result_attempt } = turn.state;
  const found = attempts.find(({ attempt }) => attempt === result_attempt);
  return found && { node: found.node, agent_id: found.agent_id };
}

/** How many of them came before. */
function placeOf(turns: readonly TaskEntry[], seq: number): number {
  let low = 0;
  let high = turns.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((turns[middle]?.seq ?? Number.POSITIVE_INFINITY) < seq) low = middle + 1;
    else high = middle;
  }
  return low;
}

function join(turns: TaskEntry[], entry: TaskEntry): void {
  const place = placeOf(turns, entry.seq);
  if (turns[place] !== entry) turns.splice(place, 0, entry);
}

function leave(turns: TaskEntry[], entry: TaskEntry): void {
  const place = placeOf(turns, entry.seq);
  if (turns[place] === entry) turns.splice(place, 1);
}
