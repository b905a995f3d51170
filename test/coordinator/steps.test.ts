import { expect, test } from 'vitest';
import { createMirror, type Mirror } from '../../coordinator/mirror.ts';
import { createSteps, type Steps } from '../../coordinator/steps.ts';
import type { TaskStore } from '../../coordinator/store.ts';
import type { TaskEntry } from '../../coordinator/task-entry.ts';
import { createLog } from '../../protocol/daemon/log.ts';
import type { TaskStep } from '../../protocol/task.ts';
import { testTaskStore } from './task-store.ts';

const placement = { node: 'walnut', agent_id: 'walnut-gemini', instance_id: 'i1', epoch: 1 };
const assign: TaskStep = { step: 'assign', attempt: 1, placement, why: 'free' };
const cancel: TaskStep = { step: 'cancel', stop_confirmed: true };

interface Coordinator {
  readonly mirror: Mirror;
  readonly steps: Steps;
  readonly taken: string[];
  readonly entry: () => TaskEntry;
}

/** As many coordinators as asked for, each with a mirror of its own, on one store with one task. */
async function coordinators(count: number): Promise<{ store: TaskStore; all: Coordinator[] }> {
  const store = await testTaskStore();
  const request = {
    v: 1,
    task_id: 't1',
    caller: 'local',
    prompt: { inline: '2+2?' },
    prompt_bytes: 4,
    options: {},
  };
  const revision = await store.createRequest(request);
  if (revision === undefined) throw new Error('the id is taken');
  const all = Array.from({ length: count }, (): Coordinator => {
    const mirror = createMirror({ clock: () => 0, onChange: () => undefined });
    mirror.apply({ record: 'request', request, revision, created_at_ms: 0 });
    const taken: string[] = [];
    const log = createLog({ level: 'silent', name: 'test' });
    const steps = createSteps({
      store,
      mirror,
      log,
      now: () => 1,
      onStep: (_entry, state) => taken.push(state.status),
    });
    const entry = (): TaskEntry => {
      const found = mirror.get('t1');
      if (found === undefined) throw new Error('the task is gone');
      return found;
    };
    return { mirror, steps, taken, entry };
  });
  return { store, all };
}

test('a step that is taken is stored, mirrored and told', async () => {
  const { store, all } = await coordinators(1);
  const [one] = all;
  expect(await one?.steps.take(one.entry(), assign)).toBe(true);
  expect((await store.state('t1'))?.state).toMatchObject({ status: 'assigned', attempts: [{ attempt: 1 }] });
  expect(one?.entry().state.status).toBe('assigned');
  expect(one?.taken).toEqual(['assigned']);
});

test('a step that is not legal is not taken and changes nothing', async () => {
  const { store, all } = await coordinators(1);
  const [one] = all;
  expect(await one?.steps.take(one.entry(), { step: 'start', attempt: 1 })).toBe(false);
  expect(await store.state('t1')).toBeUndefined();
  expect(one?.taken).toEqual([]);
});

test('of two coordinators that assign the same attempt at once, one does', async () => {
  const { all } = await coordinators(2);
  const taken = await Promise.all(all.map(({ steps, entry }) => steps.take(entry(), assign)));
  expect(taken.sort()).toEqual([false, true]);
  expect(all.map(({ entry }) => entry().state.status)).toEqual(['assigned', 'assigned']);
});

test('whoever loses a race takes its step from where the winner has left the task, if that is legal', async () => {
  const { store, all } = await coordinators(2);
  const [fast, slow] = all;
  await fast?.steps.take(fast.entry(), assign);
  expect(slow?.entry().state.status).toBe('queued');
  expect(await slow?.steps.take(slow.entry(), cancel)).toBe(true);
  expect((await store.state('t1'))?.state).toMatchObject({ status: 'cancelled', attempts: [{ attempt: 1 }] });
});

test('a task ends once, however many coordinators end it at once', async () => {
  const { store, all } = await coordinators(4);
  const ends: TaskStep[] = [
    cancel,
    { step: 'fail', error: { code: 'slots_taken', message: 'Full.', retryable: true }, partial: false },
  ];
  const taken = await Promise.all(
    all.map(({ steps, entry }, index) => steps.take(entry(), ends[index % 2] ?? cancel)),
  );
  expect(taken.filter(Boolean)).toHaveLength(1);
  const told = all.flatMap(coordinator => coordinator.taken);
  expect(told).toEqual([(await store.state('t1'))?.state.status]);
});

test('work on one task waits for the work before it, also for work that fails; work on another does not', async () => {
  const { all } = await coordinators(1);
  const steps = all[0]?.steps;
  if (steps === undefined) throw new Error('there is no coordinator');
  const order: string[] = [];
  let open = (): void => undefined;
  const gate = new Promise<void>(resolve => {
    open = resolve;
  });
  const first = steps.inTurn('t1', async () => {
    await gate;
    order.push('first');
    throw new Error('it failed');
  });
  const second = steps.inTurn('t1', () => Promise.resolve(order.push('second')));
  await steps.inTurn('t2', () => Promise.resolve(order.push('other')));
  open();
  await expect(first).rejects.toThrow('it failed');
  await second;
  expect(order).toEqual(['other', 'first', 'second']);
});
