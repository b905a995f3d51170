import { describe, expect, test } from 'vitest';
import type { AttemptCare, Recalled } from '../../coordinator/attempt.ts';
import { createFleet, type Fleet } from '../../coordinator/fleet.ts';
import { createMirror, type Mirror } from '../../coordinator/mirror.ts';
import { createSupervisor, type Supervisor } from '../../coordinator/supervisor.ts';
import { type Advert, AdvertSchema } from '../../protocol/advert.ts';
import { encode } from '../../protocol/codec.ts';
import { createLog } from '../../protocol/daemon/log.ts';
import { CcliError, toErrorBody } from '../../protocol/errors.ts';
import {
  queuedState,
  type TaskOptions,
  type TaskState,
  type TaskStep,
  transition,
} from '../../protocol/task.ts';
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

interface Setting extends TaskOptions {
  /** What the node says of an attempt that it does not list. */
  readonly recalled?: Recalled;
  /** Reports of the node that wait in the stream. */
  readonly waiting?: number;
}

/** The real mirror and fleet on a clock of their own; only what would go out over NATS is recorded instead. */
function world(
  steps: readonly TaskStep[],
  { recalled = 'finished', waiting = 0, ...options }: Setting = {},
): World {
  let now = 0;
  let seq = 0;
  const clock = (): number => now;
  const mirror = createMirror({ clock, onChange: () => undefined });
  const nothing = (): void => undefined;
  const fleet = createFleet({ prefix: 'ccli', clock, settle_ms: 0, onChange: nothing, onNode: nothing, log });
  const done: string[] = [];
  const care: AttemptCare = {
    ask: (_entry, instance_id) => Promise.resolve(done.push(`ask ${instance_id}`) > 0),
    recall: (_entry, instance_id) => {
      done.push(`recall ${instance_id}`);
      return Promise.resolve(recalled);
    },
    stop: (_entry, { attempt }, instance_id, reason) =>
      Promise.resolve(done.push(`stop ${attempt} on ${instance_id}: ${reason}`) > 0),
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
    reportsFolded: () => Promise.resolve(waiting === 0),
    steps: {
      take: (_entry, step) => Promise.resolve(done.push(JSON.stringify(step)) > 0),
      inTurn: (_task_id, turn) => turn(),
    },
    act: (_what, _task_id, started) => work.push(started),
    wakeAt: nothing,
  });
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

describe('an attempt that its node does not list, with nothing left to send,', () => {
  const rounds = async ({ hear, pass, look }: World, count: number): Promise<void> => {
    for (let round = 0; round < count; round += 1) {
      hear();
      await look();
      pass(500);
    }
  };

  test('is asked after, and given up without waiting when the node does not know it', async () => {
    const fleet = world([ASSIGN, START], { recalled: 'unknown' });
    await rounds(fleet, 5);
    expect(fleet.done).toEqual([]);
    await rounds(fleet, 2);
    expect(fleet.done).toEqual(['recall one', 'give up: agent_restarted']);
  });

  test('is left alone when it runs after all', async () => {
    const fleet = world([ASSIGN, START], { recalled: 'under_way' });
    await rounds(fleet, 100);
    expect(new Set(fleet.done)).toEqual(new Set(['recall one']));
  });

  test('is given up when it has finished and its report does not come', async () => {
    const fleet = world([ASSIGN, START], { recalled: 'finished' });
    await rounds(fleet, 21);
    expect(new Set(fleet.done)).toEqual(new Set(['recall one']));
    await rounds(fleet, 1);
    expect(fleet.done.at(-1)).toBe('give up: agent_restarted');
  });

  test('is kept for as long as reports of its node are not folded, within reason', async () => {
    const fleet = world([ASSIGN, START], { recalled: 'unknown', waiting: 1 });
    await rounds(fleet, 100);
    expect(new Set(fleet.done)).toEqual(new Set(['recall one']));
    await rounds(fleet, 200);
    expect(fleet.done).toContain('give up: agent_restarted');
  });

  test('is waited for when the node does not answer', async () => {
    const fleet = world([ASSIGN, START], { recalled: 'unanswered' });
    await rounds(fleet, 20);
    expect(new Set(fleet.done)).toEqual(new Set(['recall one']));
  });
});

describe('a task past its deadline', () => {
  const failed = JSON.stringify({
    step: 'fail',
    attempt: 1,
    error: toErrorBody(new CcliError('deadline_passed')),
    partial: false,
  });

  test('has its attempt stopped, for that reason', async () => {
    const { hear, pass, look, done } = world([ASSIGN, START], { deadline_ms: 1_000 });
    hear(listed);
    await look();
    pass(1_000);
    await look();
    expect(done).toEqual(['stop 1 on one: deadline_passed']);
  });

  test('ends although its node is gone', async () => {
    const { pass, look, done } = world([ASSIGN, START], { deadline_ms: 1_000 });
    pass(LOST_AFTER_MS + 1);
    await look();
    expect(done).toEqual([failed]);
  });
});

test('while results wait on the disk of its node, an attempt that is not listed is asked after, and waited for', async () => {
  const { hear, pass, look, done } = world([ASSIGN, START]);
  for (let round = 0; round < 30; round += 1) {
    hear({ outbox: 1 });
    pass(1_000);
    await look();
  }
  expect(new Set(done)).toEqual(new Set(['recall one']));
});

test('an attempt that its node does not know is given up although other results wait there', async () => {
  const { hear, pass, look, done } = world([ASSIGN, START], { recalled: 'unknown' });
  for (let round = 0; round < 6; round += 1) {
    hear({ outbox: 1 });
    pass(1_000);
    await look();
  }
  expect(done).toContain('give up: agent_restarted');
});

describe('while two daemons share the name of its node, an attempt', () => {
  const contest = ({ hear, pass }: World): void => {
    hear({ instance_id: 'one', ...listed });
    hear({ instance_id: 'two' });
    hear({ instance_id: 'one', ...listed });
    pass(500);
    hear({ instance_id: 'two' });
    hear({ instance_id: 'one', ...listed });
  };

  test('is not missing for as long as one of them lists it', async () => {
    const fleet = world([ASSIGN, START]);
    for (let round = 0; round < 60; round += 1) {
      contest(fleet);
      await fleet.look();
    }
    expect(fleet.fleet.node('walnut')?.contested).toBe(true);
    expect(fleet.done).toEqual([]);
  });

  test('is stopped where it runs', async () => {
    const fleet = world([ASSIGN, START]);
    const cancel = { v: 1, task_id: 'task', caller: 'local' };
    fleet.mirror.apply({ record: 'cancel', cancel, revision: 3 });
    contest(fleet);
    await fleet.look();
    expect(fleet.done).toEqual(['stop 1 on one: cancelled']);
  });
});

test('a cancelled attempt whose report never comes ends, also when another coordinator had placed it', async () => {
  const { mirror, hear, pass, look, done } = world([ASSIGN]);
  mirror.apply({ record: 'cancel', cancel: { v: 1, task_id: 'task', caller: 'local' }, revision: 3 });
  for (let round = 0; round < 30; round += 1) {
    hear();
    pass(1_000);
    await look();
  }
  expect(done).toContain(JSON.stringify({ step: 'cancel', stop_confirmed: true }));
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
  mirror.apply({ record: 'cancel', cancel: { v: 1, task_id: 'task', caller: 'local' }, revision: 3 });
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
  expect(done).toEqual(['stop 1 on one: cancelled']);
});
