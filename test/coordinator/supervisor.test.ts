import { expect, test } from 'vitest';
import type { AttemptCare } from '../../coordinator/attempt.ts';
import { createFleet, type Fleet } from '../../coordinator/fleet.ts';
import { createMirror, type Mirror } from '../../coordinator/mirror.ts';
import { createSupervisor, type Supervisor } from '../../coordinator/supervisor.ts';
import { type Advert, AdvertSchema } from '../../protocol/advert.ts';
import { encode } from '../../protocol/codec.ts';
import { createLog } from '../../protocol/daemon/log.ts';
import { queuedState, type TaskState, type TaskStep, transition } from '../../protocol/task.ts';
import { advertOf } from '../support/advert.ts';

const LOST_AFTER_MS = 10_000;
const log = createLog({ level: 'silent', name: 'test' });

interface World {
  readonly fleet: Fleet;
  readonly mirror: Mirror;
  readonly supervisor: Supervisor;
  /** What was asked for, oldest first. */
  readonly done: string[];
  readonly hear: (over?: Partial<Advert>) => void;
  readonly pass: (ms: number) => void;
  /** Looks at the task and lets what that starts end. */
  readonly look: () => Promise<void>;
}

/** The real mirror and fleet on a clock of their own; only what would go out over NATS is recorded instead. */
function world(steps: readonly TaskStep[]): World {
  let now = 0;
  let seq = 0;
  const clock = (): number => now;
  const mirror = createMirror({ clock, onChange: () => undefined });
  const nothing = (): void => undefined;
  const fleet = createFleet({ prefix: 'ccli', clock, settle_ms: 0, onChange: nothing, onNode: nothing, log });
  const done: string[] = [];
  const care: AttemptCare = {
    ask: (_entry, instance_id) => Promise.resolve(done.push(`ask ${instance_id}`) > 0),
    stop: (_entry, { attempt }, instance_id) =>
      Promise.resolve(done.push(`stop ${attempt} on ${instance_id}`) > 0),
    giveUp: (_entry, _attempt, error) => {
      done.push(`give up: ${error.code}`);
      return Promise.resolve();
    },
  };
  const work: Promise<unknown>[] = [];
  const supervisor = createSupervisor({
    mirror,
    fleet,
    care,
    clock,
    lost_after_ms: LOST_AFTER_MS,
    steps: {
      take: (_entry, step) => Promise.resolve(done.push(JSON.stringify(step)) > 0),
      inTurn: (_task_id, turn) => turn(),
    },
    act: (_what, _task_id, started) => work.push(started),
    wakeAt: nothing,
  });
  const options = {};
  const prompt = { inline: 'x' };
  const request = { v: 1, task_id: 'task', caller: 'local', prompt, prompt_bytes: 1, options };
  mirror.apply({ record: 'request', request, revision: 1, created_at_ms: 0 });
  mirror.apply({ record: 'state', state: after(steps), revision: 2 });
  return {
    fleet,
    mirror,
    supervisor,
    done,
    hear: over => {
      seq += 1;
      fleet.receive('ccli.node.walnut.advert', encode(AdvertSchema, advertOf({ seq, ...over })));
    },
    pass: ms => {
      now += ms;
    },
    async look() {
      const entry = mirror.get('task');
      if (entry !== undefined) supervisor.look(entry);
      supervisor.stopStrays();
      await Promise.all(work);
    },
  };
}

function after(steps: readonly TaskStep[]): TaskState {
  let state = queuedState('task', 1);
  for (const step of steps) {
    const next = transition(state, step, 0);
    if (!next.ok) throw new Error(next.reason);
    state = next.state;
  }
  return state;
}

const placement = { node: 'walnut', agent_id: 'walnut-echo', instance_id: 'one', epoch: 1 };
const ASSIGN: TaskStep = { step: 'assign', attempt: 1, placement, why: '' };
const START: TaskStep = { step: 'start', attempt: 1 };
const listed = { running: [{ task_id: 'task', attempt: 1, agent_id: 'walnut-echo', elapsed_ms: 1 }] };

test('an attempt that a later daemon took up is left alone for as long as that daemon lists it', async () => {
  const { hear, pass, look, done } = world([ASSIGN, START]);
  for (let round = 0; round < 30; round += 1) {
    hear({ instance_id: 'two', uptime_ms: 60_000 + round, ...listed });
    pass(1_000);
    await look();
  }
  expect(done).toEqual([]);
});

test('an attempt that its node does not list, with nothing left to send, is given up after a while', async () => {
  const { hear, pass, look, done } = world([ASSIGN, START]);
  for (let round = 0; round < 10; round += 1) {
    hear();
    await look();
    pass(1_000);
  }
  expect(done).toEqual([]);
  hear();
  pass(1_000);
  hear();
  await look();
  expect(done).toEqual(['give up: agent_restarted']);
});

test('while results wait on the disk of its node, an attempt that is not listed is waited for', async () => {
  const { hear, pass, look, done } = world([ASSIGN, START]);
  for (let round = 0; round < 30; round += 1) {
    hear({ outbox: 1 });
    pass(1_000);
    await look();
  }
  expect(done).toEqual([]);
});

test('a coordinator that was cut off itself counts silence only from when it listens again', async () => {
  const { hear, pass, look, done, fleet } = world([ASSIGN, START]);
  hear(listed);
  fleet.deafen();
  pass(10 * LOST_AFTER_MS);
  await look();
  expect(fleet.node('walnut')?.alive).toBe(true);
  fleet.listen();
  await look();
  pass(LOST_AFTER_MS - 1);
  await look();
  expect(done).toEqual([]);
  pass(2);
  await look();
  expect(done).toEqual(['give up: node_lost']);
});

test('a node never heard of is waited for as long as every silent one', async () => {
  const { pass, look, done } = world([ASSIGN, START]);
  pass(LOST_AFTER_MS);
  await look();
  expect(done).toEqual([]);
  pass(1);
  await look();
  expect(done).toEqual(['give up: node_lost']);
});

test('a cancel whose node is gone for good ends unconfirmed', async () => {
  const { mirror, pass, look, done } = world([ASSIGN, START]);
  mirror.apply({ record: 'cancel', cancel: { v: 1, task_id: 'task', caller: 'local' } });
  pass(LOST_AFTER_MS + 1);
  await look();
  expect(done).toEqual([JSON.stringify({ step: 'cancel', stop_confirmed: false })]);
});

test('what a node still runs of a task that has ended is stopped, once', async () => {
  const { hear, look, done } = world([ASSIGN, START, { step: 'cancel', stop_confirmed: false }]);
  hear(listed);
  await look();
  await look();
  hear(listed);
  await look();
  expect(done).toEqual(['stop 1 on one']);
});
