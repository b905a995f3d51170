/** Why a task went where it went, or waits. */

import { CcliError } from '../protocol/errors.ts';
import type { OperationReply } from '../protocol/operation.ts';
import type { Attempt } from '../protocol/task.ts';
import type { Operation } from './caller.ts';
import type { Placements } from './placements.ts';
import type { Planner } from './planner.ts';
import type { TaskEntry } from './task-entry.ts';

interface ExplainOptions {
  /** @throws CcliError `task_unknown` */
  readonly find: (task_id: string) => Promise<TaskEntry>;
  readonly planner: Pick<Planner, 'outlook'>;
  readonly placements: Placements;
}

export function createExplain({ find, planner, placements }: ExplainOptions): Operation<'explain'> {
  return async ({ task_id, attempt: asked }) => {
    const entry = await find(task_id);
    const { attempts, status } = entry.state;
    if (status === 'queued' && asked === undefined) {
      const { considered, left_out } = planner.outlook(entry);
      return { task_id, considered, left_out };
    }
    const attempt = asked === undefined ? attempts.at(-1) : attempts.find(known => known.attempt === asked);
    if (attempt !== undefined) return await ofAttempt(task_id, attempt, placements);
    if (asked === undefined) return { task_id, considered: [], left_out: 0 };
    const known = attempts.length === 0 ? 'none' : attempts.map(one => one.attempt).join(', ');
    throw new CcliError(
      'invalid_request',
      `Task ${task_id} has no attempt ${asked} on record; there is ${known}.`,
    );
  };
}

async function ofAttempt(
  task_id: string,
  { attempt, agent_id, node, why }: Attempt,
  placements: Placements,
): Promise<OperationReply<'explain'>> {
  const kept = await placements.read(task_id, attempt);
  const chosen = kept?.considered.find(({ verdict }) => verdict === 'chosen');
  // An earlier task of this id may have left one.
  if (kept !== undefined && chosen?.agent_id === agent_id && chosen.node === node)
    return { task_id, attempt, considered: kept.considered, left_out: kept.left_out };
  const told = { agent_id, node, verdict: 'chosen' as const, why: (why ?? 'not on record').slice(0, 500) };
  return { task_id, attempt, considered: [told], left_out: 0, expired: true };
}
