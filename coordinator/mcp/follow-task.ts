/** Follows a task to its end, with progress, through whatever may pass by itself. */
import { setTimeout as delay } from 'node:timers/promises';
import { errorFields } from '../../protocol/daemon/log.ts';
import { CcliError, type ErrorCode } from '../../protocol/errors.ts';
import type { TaskStreamEvent } from '../../protocol/stream.ts';
import { contextFor, type McpDoor } from './door.ts';
import type { Progress } from './progress.ts';
import type { WholeTask } from './task-answer.ts';

const PAUSE_MS = 500;

const PASSING: ReadonlySet<ErrorCode> = new Set([
  'no_coordinator',
  'store_unavailable',
  'nats_unreachable',
  'slow_reader',
  'shutting_down',
]);

/** Whether to ask again is worth it. */
export const passes = (error: unknown): boolean => error instanceof CcliError && PASSING.has(error.code);

interface Follow {
  readonly task_id: string;
  /** When to stop waiting. */
  readonly until: AbortSignal;
  readonly progress: Progress;
}

/**
 * @returns the task at its end; undefined when `until` aborted first
 * @throws CcliError `task_unknown`, and whatever does not pass by itself
 */
export async function followTask(
  door: McpDoor,
  { task_id, until, progress }: Follow,
): Promise<WholeTask | undefined> {
  const told = createTold(progress);
  let position: string | undefined;
  while (!until.aborted) {
    try {
      const request = { task_id, ...(position !== undefined && { after: position }) };
      for await (const event of door.streams.task(request, contextFor(door, until))) {
        if (event.event === 'result') return event.task;
        if (event.event === 'closed') throw new CcliError(event.error.code, event.error.message);
        position = event.position;
        told(event);
      }
    } catch (error) {
      if (isOver(until)) break;
      if (!passes(error)) throw error;
      door.log.debug('mcp_follow_interrupted', { task_id, ...errorFields(error) });
    }
    // Not only after an error: a stream that ends without a word is not asked for again at once. An abort ends the loop.
    await delay(PAUSE_MS, undefined, { signal: until }).catch(() => undefined);
  }
  return undefined;
}

/** Read through a call: the compiler cannot see that an await changes it. */
const isOver = (signal: AbortSignal): boolean => signal.aborted;

/** What is told of each event. */
function createTold(progress: Progress): (event: TaskStreamEvent) => void {
  let characters = 0;
  let said = '';
  return event => {
    switch (event.event) {
      case 'state': {
        const { status, agent_id, waiting_for } = event;
        const where = agent_id === undefined || status === 'queued' ? '' : ` on ${agent_id}`;
        const why = status === 'queued' && waiting_for !== undefined ? `: ${waiting_for}` : '';
        const text = `task ${event.task_id} is ${status}${where}${why}`;
        if (text !== said) progress.say(text);
        said = text;
        return;
      }
      case 'chunk':
        characters += event.text.length;
        progress.grown(characters, event.text);
        return;
      case 'restart':
        characters = 0;
        progress.say(`attempt ${event.attempt} begins anew`);
        return;
      case 'gap':
      case 'result':
      case 'closed':
    }
  };
}
