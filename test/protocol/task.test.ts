import { describe, expect, test } from 'vitest';
import type { ErrorBody } from '../../protocol/errors.ts';
import {
  isTerminal,
  queuedState,
  TASK_STATUSES,
  type TaskState,
  TaskStateSchema,
  type TaskStep,
  transition,
} from '../../protocol/task.ts';
import { type Random, seeded, seeds } from '../support/random.ts';

const error: ErrorBody = { code: 'cli_crashed', message: 'It ended.', retryable: true };
const placement = { node: 'walnut', agent_id: 'walnut-gemini', instance_id: 'i1', epoch: 1 };

/** `assign 2`, `fail` and so on, as a step. */
function step(text: string): TaskStep {
  const [name, number] = text.split(' ');
  const attempt = Number(number);
  switch (name) {
    case 'assign':
      return { step: 'assign', attempt, placement, why: 'the only agent free' };
    case 'start':
      return { step: 'start', attempt };
    case 'complete':
      return { step: 'complete', attempt };
    case 'fail':
      return { step: 'fail', error, partial: false, ...(number !== undefined && { attempt }) };
    case 'requeue':
      return { step: 'requeue', attempt, error, retry_after_ms: 250 };
    case 'cancel':
      return { step: 'cancel', stop_confirmed: true };
    default:
      throw new Error(`no step is called ${text}`);
  }
}

function after(...steps: readonly string[]): TaskState {
  return steps.reduce<TaskState>(
    (state, text) => {
      const next = transition(state, step(text), 1);
      if (!next.ok) throw new Error(`${text}: ${next.reason}`);
      return next.state;
    },
    queuedState('t1', 1),
  );
}

const TWO_ATTEMPTS = ['assign 1', 'requeue 1', 'assign 2'];

const STATES: Readonly<Record<string, TaskState>> = {
  queued: after(),
  'queued again': after('assign 1', 'start 1', 'requeue 1'),
  assigned: after(...TWO_ATTEMPTS),
  running: after(...TWO_ATTEMPTS, 'start 2'),
  completed: after(...TWO_ATTEMPTS, 'complete 2'),
  failed: after(...TWO_ATTEMPTS, 'fail 2'),
  cancelled: after(...TWO_ATTEMPTS, 'cancel'),
};

/** The status each step leads to; "-" where it is refused. Of two attempts, the first one is superseded. */
const TABLE = `
step       | queued    | queued again | assigned  | running   | completed | failed | cancelled
assign 1   | assigned  | -            | -         | -         | -         | -      | -
assign 2   | -         | assigned     | -         | -         | -         | -      | -
assign 3   | -         | -            | -         | -         | -         | -      | -
start 1    | -         | -            | -         | -         | -         | -      | -
start 2    | -         | -            | running   | -         | -         | -      | -
complete 1 | -         | completed    | completed | completed | -         | -      | -
complete 2 | -         | -            | completed | completed | -         | -      | -
complete 3 | -         | -            | -         | -         | -         | -      | -
fail       | failed    | failed       | -         | -         | -         | -      | -
fail 1     | -         | -            | -         | -         | -         | -      | -
fail 2     | -         | -            | failed    | failed    | -         | -      | -
fail 3     | -         | -            | -         | -         | -         | -      | -
requeue 1  | -         | -            | -         | -         | -         | -      | -
requeue 2  | -         | -            | queued    | queued    | -         | -      | -
cancel     | cancelled | cancelled    | cancelled | cancelled | -         | -      | -
`;

function cases(): { from: string; by: string; to: string }[] {
  const [head = [], ...rows] = TABLE.trim()
    .split('\n')
    .map(line => line.split('|').map(cell => cell.trim()));
  return rows.flatMap(([by = '', ...cells]) =>
    cells.map((to, index) => ({ from: head[index + 1] ?? '', by, to })),
  );
}

describe('a step of a task', () => {
  test.each(cases())('from $from by "$by" leads to $to', ({ from, by, to }) => {
    const state = STATES[from];
    if (state === undefined) throw new Error(`no state is called ${from}`);
    const before = structuredClone(state);
    const next = transition(state, step(by), 42);
    expect(next.ok ? next.state.status : '-').toBe(to);
    if (next.ok) expect(next.state.updated_at_ms).toBe(42);
    else expect(next.reason).toMatch(/\w/);
    expect(state).toEqual(before);
  });

  test('that assigns records where and why, and forgets the pause and the reason of the last attempt', () => {
    const state = after('assign 1', 'requeue 1');
    expect(state).toMatchObject({ retry_after_ms: 250, error, attempts: [{ attempt: 1, error }] });
    const next = transition(state, step('assign 2'), 7);
    if (!next.ok) throw new Error(next.reason);
    expect(next.state).toEqual({
      v: 1,
      task_id: 't1',
      status: 'assigned',
      attempts: [
        { ...placement, attempt: 1, why: 'the only agent free', started: false, error },
        { ...placement, attempt: 2, why: 'the only agent free', started: false },
      ],
      updated_at_ms: 7,
    });
  });

  test('lets a late success of a superseded attempt end the task with its answer', () => {
    const state = after(...TWO_ATTEMPTS, 'start 2', 'complete 1');
    expect(state).toMatchObject({ status: 'completed', result_attempt: 1 });
    expect(state.attempts.map(({ attempt, started }) => [attempt, started])).toEqual([
      [1, true],
      [2, true],
    ]);
    expect(transition(state, step('complete 2'), 9)).toEqual({
      ok: false,
      reason: 'the task is already completed',
    });
  });

  test('that fails names an answer only when a part of it was kept', () => {
    const failing = { step: 'fail', attempt: 2, error } as const;
    const whole = transition(after(...TWO_ATTEMPTS), { ...failing, partial: false }, 1);
    const partial = transition(after(...TWO_ATTEMPTS), { ...failing, partial: true }, 1);
    expect(whole.ok && whole.state.result_attempt).toBeUndefined();
    expect(partial.ok && partial.state.result_attempt).toBe(2);
  });

  test('that came over SSH leaves its mark on the attempt, and one over NATS does not take it away', () => {
    const over = { transport: 'ssh', attempt: 1 } as const;
    const steps: readonly TaskStep[] = [
      { step: 'start', ...over },
      { step: 'complete', ...over },
      { step: 'fail', error, partial: false, ...over },
      { step: 'requeue', error, retry_after_ms: 0, ...over },
    ];
    for (const taken of steps) {
      const next = transition(after('assign 1'), taken, 1);
      expect(next.ok && next.state.attempts).toMatchObject([{ transport: 'ssh' }]);
      if (!next.ok || isTerminal(next.state.status) || taken.step !== 'start') continue;
      const later = transition(next.state, step('complete 1'), 2);
      expect(later.ok && later.state.attempts).toMatchObject([{ transport: 'ssh' }]);
    }
  });

  test('that cancels says whether the node confirmed the stop', () => {
    const next = transition(after('assign 1'), { step: 'cancel', stop_confirmed: false }, 1);
    expect(next.ok && next.state).toMatchObject({ status: 'cancelled', stop_confirmed: false });
  });
});

describe('whatever steps come in whatever order', () => {
  const STEPS = ['assign', 'start', 'complete', 'fail', 'requeue'] as const;

  const anyStep = (random: Random): TaskStep => {
    if (random.chance(0.05)) return step('cancel');
    if (random.chance(0.05)) return step('fail');
    return step(`${random.pick(STEPS)} ${random.between(1, 4)}`);
  };

  const currentOf = ({ status, attempts }: TaskState): number | undefined =>
    status === 'assigned' || status === 'running' ? attempts.at(-1)?.attempt : undefined;

  test.each(seeds(200))('the invariants hold (seed %i)', seed => {
    const random = seeded(seed);
    let state = queuedState('t1', 1);
    for (let count = 0; count < 60; count += 1) {
      const taken = anyStep(random);
      const next = transition(state, taken, count);
      if (isTerminal(state.status)) expect(next.ok).toBe(false);
      if (!next.ok) continue;
      const grown = next.state.attempts.length - state.attempts.length;
      expect(grown).toBe(taken.step === 'assign' ? 1 : 0);
      state = next.state;
      expect(state.attempts.map(({ attempt }) => attempt)).toEqual(
        state.attempts.map((_, index) => index + 1),
      );
      expect(TaskStateSchema.parse(state)).toEqual(state);
      // Every attempt but the current one has told why it ended, unless the task is over.
      const open = state.attempts.filter(attempt => attempt.error === undefined);
      if (!isTerminal(state.status))
        expect(open.map(({ attempt }) => attempt)).toEqual(
          currentOf(state) === undefined ? [] : [currentOf(state)],
        );
      expect(state.result_attempt !== undefined).toBe(state.status === 'completed');
    }
  });

  test('every status can be reached', () => {
    expect(Object.values(STATES).map(({ status }) => status)).toEqual(
      expect.arrayContaining([...TASK_STATUSES]),
    );
  });
});
