/** Watching with streams that break off when they are told to, which a real fleet does not. */
import { expect, onTestFinished, test } from 'vitest';
import type { McpDoor } from '../../../coordinator/mcp/door.ts';
import { watchResource } from '../../../coordinator/mcp/watch-resource.ts';
import { createLog } from '../../../protocol/daemon/log.ts';
import { CcliError, toErrorBody } from '../../../protocol/errors.ts';
import type { TaskStatus } from '../../../protocol/task.ts';
import { waitFor } from '../../support/wait.ts';

const closed = { event: 'closed', error: toErrorBody(new CcliError('slow_reader')) };
const state = (status: TaskStatus) => ({ event: 'state', task_id: 't', status, position: '1' });

/** @param over what is followed, and what is asked */
function scripted(over: {
  task?: () => AsyncGenerator;
  fleet?: () => AsyncGenerator;
  agents?: () => object[];
}) {
  const stop = new AbortController();
  onTestFinished(() => {
    stop.abort();
  });
  const door = {
    operations: { agents: () => Promise.resolve({ agents: over.agents?.() ?? [] }) },
    streams: over,
    caller: 'alice',
    wait_ms: 1,
    stopping: stop.signal,
    onCall: () => undefined,
    log: createLog({ level: 'silent', name: 'test' }),
  } as unknown as McpDoor;
  let changes = 0;
  const watch = (uri: string, known?: TaskStatus): Promise<void> =>
    watchResource(
      door,
      uri,
      () => {
        changes += 1;
      },
      { signal: stop.signal, known },
    );
  return { watch, changes: () => changes, stop };
}

test.each([
  { known: 'running', then: 'completed', told: 1 },
  { known: 'completed', then: 'completed', told: 0 },
  // Nobody knows how it stood when the interest began.
  { known: undefined, then: 'completed', told: 1 },
] as const)(
  'a task that was $known and is $then at the first look: $told changes',
  async ({ known, then, told }) => {
    async function* task() {
      yield await Promise.resolve(state(then));
    }
    const { watch, changes } = scripted({ task });
    await watch('ccli://tasks/t', known);
    expect(changes()).toBe(told);
  },
);

test('a task that ended while it could not be followed is told of', async () => {
  let opened = 0;
  async function* task() {
    opened += 1;
    await Promise.resolve();
    if (opened > 1) yield state('completed');
    else yield* [state('running'), closed];
  }
  const { watch, changes } = scripted({ task });
  await watch('ccli://tasks/t');
  expect(changes()).toBe(1);
});

test('agents that changed while they could not be followed are told of', async () => {
  let opened = 0;
  async function* fleet() {
    opened += 1;
    yield await Promise.resolve(closed);
  }
  const { watch, changes, stop } = scripted({
    fleet,
    agents: () => (opened > 1 ? [{ agent_id: 'new' }] : []),
  });
  const watching = watch('ccli://agents');
  await waitFor(() => changes() > 0 && true);
  stop.abort();
  await watching;
  expect(changes()).toBe(1);
});

test('however much happens in the fleet, the agents are not asked for each of it', async () => {
  const MANY = 1_000;
  let told = 0;
  let looks = 0;
  async function* fleet() {
    for (; told < MANY; told += 1) {
      await new Promise(setImmediate);
      yield { event: 'fleet', seq: told, fleet: { kind: 'task' } };
    }
  }
  const agents = () => {
    looks += 1;
    return [];
  };
  const { watch, stop } = scripted({ fleet, agents });
  const watching = watch('ccli://agents');
  await waitFor(() => told === MANY && true);
  expect(looks).toBeLessThan(MANY / 10);
  stop.abort();
  await watching;
});
