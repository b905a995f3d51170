/** What the plan is made from, as this coordinator sees it now; for whoever plans, and for whoever asks why. */
import { deadlineLeft } from './attempt.ts';
import { type Chain, chainOf, type FallbackPolicy } from './core/chain.ts';
import { couldGoElsewhere, triedOf } from './core/fallback.ts';
import { lookAhead, type Outlook, type QueuedTask } from './core/plan.ts';
import { countSlots, type Fleet } from './fleet.ts';
import type { Mirror } from './mirror.ts';
import type { TaskEntry } from './task-entry.ts';

export interface Planner {
  /** A queued task as the plan sees it. */
  queued(entry: TaskEntry): QueuedTask;
  chain(options: TaskEntry['options']): Chain | undefined;
  /** How the agents stand to a queued task. */
  outlook(entry: TaskEntry): Outlook;
  /** Whether another member of the task's fallback chain than the agent of its last attempt could take it. */
  elsewhere(entry: TaskEntry): boolean;
}

interface PlannerOptions {
  readonly mirror: Pick<Mirror, 'active' | 'sessionFacts'>;
  readonly fleet: Pick<Fleet, 'candidates'>;
  /** For tasks that bring no chain of their own. */
  readonly fallback: FallbackPolicy;
  /** Milliseconds on the mirror's clock. */
  readonly clock: () => number;
}

export function createPlanner({ mirror, fleet, fallback, clock }: PlannerOptions): Planner {
  const chain: Planner['chain'] = options => chainOf(options, fallback);

  const queued: Planner['queued'] = entry => {
    const now = clock();
    const { attempts, error } = entry.state;
    return {
      task_id: entry.task_id,
      caller: entry.caller,
      seq: entry.seq,
      options: entry.options,
      prompt_bytes: entry.prompt_bytes,
      chain: chain(entry.options),
      attempt: (attempts.at(-1)?.attempt ?? 0) + 1,
      last_error: error,
      tried: attempts.map(triedOf),
      session: mirror.sessionFacts(entry),
      waited_ms: now - entry.queued_since_ms,
      pause_ms: Math.max(0, entry.not_before_ms - now),
      deadline_left_ms: deadlineLeft(entry, now),
    };
  };

  return {
    queued,
    chain,
    outlook: entry => lookAhead(queued(entry), fleet.candidates(countSlots(mirror.active()))),
    elsewhere({ state, options, prompt_bytes }) {
      const own = chain(options);
      if (own === undefined) return false;
      const demand = { options, prompt_bytes, chain: own };
      return couldGoElsewhere(demand, state.attempts, fleet.candidates(new Map()));
    },
  };
}
