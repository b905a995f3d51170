/** A page of the tasks, newest first. */
import { CcliError } from '../protocol/errors.ts';
import type { ListReply, ListRequest } from '../protocol/operation.ts';
import { createHeap } from './core/heap.ts';
import type { TaskEntry } from './task-entry.ts';
import { shownAttempt, taskSummary } from './views.ts';

const DEFAULT_LIMIT = 50;

/**
 * The cursor is the sequence after which the next page goes on. Only what may be on the page is put in order, however
 * many tasks there are.
 *
 * @throws CcliError `invalid_request` for a cursor that is none
 */
export function listTasks(tasks: Iterable<TaskEntry>, request: ListRequest): ListReply {
  const { limit = DEFAULT_LIMIT } = request;
  const before = readCursor(request.cursor);
  const wanted = filterOf(request);
  // One more than the page has tells whether there is another page; the oldest of them is the first to go.
  const newest = createHeap<TaskEntry>((a, b) => a.seq < b.seq, []);
  let oldest = 0;
  for (const entry of tasks) {
    if (entry.seq >= before || entry.seq < oldest || !wanted(entry)) continue;
    newest.add(entry);
    if (newest.size > limit + 1) newest.take();
    if (newest.size > limit) oldest = newest.first()?.seq ?? 0;
  }
  const more = newest.size > limit;
  if (more) newest.take();
  const page: TaskEntry[] = [];
  for (let entry = newest.take(); entry !== undefined; entry = newest.take()) page.push(entry);
  page.reverse();
  const last = page.at(-1);
  return {
    tasks: page.map(taskSummary),
    ...(more && last !== undefined && { next_cursor: String(last.seq) }),
  };
}

function readCursor(cursor: string | undefined): number {
  if (cursor === undefined) return Number.POSITIVE_INFINITY;
  if (/^\d{1,15}$/.test(cursor)) return Number(cursor);
  throw new CcliError('invalid_request', 'The cursor is not one of ours; start without it.');
}

function filterOf(request: ListRequest): (entry: TaskEntry) => boolean {
  const { status, agent_id, node, caller, group, session_id, retry_of } = request;
  const statuses = status === undefined ? undefined : new Set([status].flat());
  return entry => {
    const { state, options } = entry;
    if (statuses?.has(state.status) === false) return false;
    if (caller !== undefined && entry.caller !== caller) return false;
    if (group !== undefined && options.group !== group) return false;
    if (session_id !== undefined && options.session_id !== session_id) return false;
    if (retry_of !== undefined && options.retry_of !== retry_of) return false;
    if (agent_id === undefined && node === undefined) return true;
    const attempt = shownAttempt(state);
    if (attempt === undefined) return false;
    return (agent_id ?? attempt.agent_id) === attempt.agent_id && (node ?? attempt.node) === attempt.node;
  };
}
