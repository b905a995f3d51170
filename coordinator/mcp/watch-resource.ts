/** Says when a resource has changed, for as long as somebody is interested. */
import { setTimeout as delay } from 'node:timers/promises';
import { errorFields } from '../../protocol/daemon/log.ts';
import { CcliError } from '../../protocol/errors.ts';
import type { AgentView } from '../../protocol/operation.ts';
import { isTerminal, type TaskStatus } from '../../protocol/task.ts';
import { createBell } from '../stream/bell.ts';
import { contextFor, type McpDoor } from './door.ts';
import { type Resource, resourceOf } from './resource-uri.ts';

/** The agents are looked at once in this time at most, however much happens. */
const AGENTS_PAUSE_MS = 1_000;
/** What a node tells of its agents is no event of the fleet, so they are looked at now and then. */
const AGENTS_LOOK_MS = 5_000;
const RETRY_MS = 2_000;

interface Interest {
  readonly signal: AbortSignal;
  /** How the task stood when it began. */
  readonly known: TaskStatus | undefined;
}

/** Follows until it breaks off, and knows what it has seen when it begins anew. @returns whether it is over for good */
type Watch = () => Promise<boolean>;

/** Until `signal` aborts, or nothing can change any more. Never rejects. */
export async function watchResource(
  door: McpDoor,
  uri: string,
  onChange: () => void,
  { signal, known }: Interest,
): Promise<void> {
  const resource = resourceOf(uri);
  if (resource === undefined) return;
  const watch = watchOf(door, resource, onChange, { signal, known });
  while (!signal.aborted) {
    try {
      if (await watch()) return;
    } catch (error) {
      if (isOver(signal)) return;
      door.log.debug('mcp_watch_interrupted', { uri, ...errorFields(error) });
      if (error instanceof CcliError && error.code === 'task_unknown') return;
    }
    await delay(RETRY_MS, undefined, { signal }).catch(() => undefined);
  }
}

/** Read through a call: the compiler cannot see that an await changes it. */
const isOver = (signal: AbortSignal): boolean => signal.aborted;

const watchOf = (door: McpDoor, resource: Resource, onChange: () => void, interest: Interest): Watch =>
  resource.kind === 'task'
    ? taskWatch(door, resource.task_id, onChange, interest)
    : agentsWatch(door, onChange, interest.signal);

function taskWatch(door: McpDoor, task_id: string, onChange: () => void, { signal, known }: Interest): Watch {
  let last = known;
  // Where nothing is known, the end may have come between the reader's last look and ours.
  const isNews = (status: TaskStatus): boolean => (last === undefined ? isTerminal(status) : status !== last);
  return async () => {
    let first = true;
    for await (const event of door.streams.task({ task_id }, contextFor(door, signal))) {
      if (event.event === 'closed') return false;
      if (event.event === 'result') {
        onChange();
        return true;
      }
      if (event.event !== 'state') continue;
      // The first tells how it stands, the others what has changed.
      if (!first || isNews(event.status)) onChange();
      if (first && isTerminal(event.status)) return true;
      last = event.status;
      first = false;
    }
    return false;
  };
}

function agentsWatch(door: McpDoor, onChange: () => void, signal: AbortSignal): Watch {
  let known: string | undefined;
  return async () => {
    const left = new AbortController();
    const leave = (): void => {
      left.abort();
    };
    signal.addEventListener('abort', leave, { once: true });
    const context = contextFor(door, left.signal);
    const bell = createBell();
    let happened = false;
    const hasHappened = (): boolean => happened;
    const following = (async () => {
      for await (const { event } of door.streams.fleet({}, context)) {
        if (event === 'closed') return;
        happened = true;
        bell.ring();
      }
    })().finally(leave);
    // Its failure is that of the whole, once this is over; until then somebody has to have heard of it.
    following.catch(() => undefined);
    try {
      while (!left.signal.aborted) {
        happened = false;
        const { agents } = await door.operations.agents({}, context);
        const now = digest(agents);
        if (known !== undefined && now !== known) onChange();
        known = now;
        await delay(AGENTS_PAUSE_MS, undefined, { signal: left.signal }).catch(() => undefined);
        if (!hasHappened()) await bell.next({ signal: left.signal, limit_ms: AGENTS_LOOK_MS });
      }
      await following;
      return false;
    } finally {
      leave();
      signal.removeEventListener('abort', leave);
    }
  };
}

/** Without what changes by itself from second to second. */
const digest = (agents: readonly AgentView[]): string =>
  JSON.stringify(
    agents.map(({ cooldown_ms, gpu_memory: _memory, recent: _recent, ...agent }) => ({
      ...agent,
      cooling: (cooldown_ms ?? 0) > 0,
    })),
  );
