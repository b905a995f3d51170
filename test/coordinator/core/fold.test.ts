import { describe, expect, test } from 'vitest';
import { fold } from '../../../coordinator/core/fold.ts';
import type { ErrorCode } from '../../../protocol/errors.ts';
import type { FinishedReport, Report } from '../../../protocol/report.ts';
import { queuedState, type TaskOptions, type TaskState, transition } from '../../../protocol/task.ts';
import { seeded, seeds } from '../../support/random.ts';

type Folding = Exclude<Report, { kind: 'slice' }>;

/** As the coordinator knows it. */
const task = (state: TaskState, options: TaskOptions = {}, elsewhere = false) => ({
  state,
  seq: 7,
  options,
  elsewhere: () => elsewhere,
});

const base = { v: 1, node: 'walnut', instance_id: 'i1', task_id: 't1' } as const;
const started = (attempt: number): Folding => ({ ...base, attempt, kind: 'started' });
const finished = (attempt: number, more: Partial<FinishedReport> = {}): Folding => ({
  ...base,
  attempt,
  kind: 'finished',
  outcome: 'completed',
  completeness: 'whole',
  run_ms: 1,
  warm: true,
  ...more,
});
const failed = (attempt: number, code: ErrorCode, more: Partial<FinishedReport> = {}): Folding =>
  finished(attempt, { outcome: 'failed', error: { code, message: 'It failed.', retryable: true }, ...more });
const cancelled = (attempt: number): Folding => finished(attempt, { outcome: 'cancelled' });

/** As the coordinator does it, with the largest pause. */
function apply(state: TaskState, ...reports: readonly Folding[]): TaskState {
  return reports.reduce((current, report) => {
    const folded = fold(task(current), report, 1);
    if (folded.outcome === 'ignore') return current;
    const next = transition(current, folded.step, 1);
    if (!next.ok) throw new Error(`fold called for an illegal step: ${next.reason}`);
    return next.state;
  }, state);
}

function assign(state: TaskState, attempt: number): TaskState {
  const placement = { node: 'walnut', agent_id: 'walnut-gemini', instance_id: 'i1', epoch: 1 };
  const next = transition(state, { step: 'assign', attempt, placement, why: 'free' }, 1);
  if (!next.ok) throw new Error(next.reason);
  return next.state;
}

const queued = queuedState('t1', 1);
const assigned = assign(queued, 1);
const running = apply(assigned, started(1));
/** Attempt 1 is superseded. */
const second = assign(apply(running, failed(1, 'cli_crashed')), 2);
const completed = apply(running, finished(1));

describe('a report', () => {
  test.each<[string, TaskState, Folding, string]>([
    ['started, of the current attempt', assigned, started(1), 'running'],
    ['started, twice', running, started(1), 'ignored: the attempt is past its start'],
    ['started, of a superseded attempt', second, started(1), 'ignored: the attempt is past its start'],
    [
      'started, after the requeue',
      apply(running, failed(1, 'cli_crashed')),
      started(1),
      'ignored: the attempt is past its start',
    ],
    [
      'started, of an attempt never assigned',
      assigned,
      started(2),
      'ignored: the attempt was never assigned',
    ],
    ['of a task that nobody was given', queued, finished(1), 'ignored: the attempt was never assigned'],
    ['completed', running, finished(1), 'completed'],
    ['completed, before the started one came', assigned, finished(1), 'completed'],
    ['completed, of a superseded attempt', second, finished(1), 'completed'],
    ['completed, after the requeue', apply(running, failed(1, 'cli_crashed')), finished(1), 'completed'],
    ['failed with something that may pass', running, failed(1, 'cli_crashed'), 'queued'],
    ['failed, before the started one came', assigned, failed(1, 'cli_crashed'), 'queued'],
    ['failed with something final', running, failed(1, 'safety_refused'), 'failed'],
    ['failed without a reason', running, finished(1, { outcome: 'failed' }), 'failed'],
    [
      'failed, of a superseded attempt',
      second,
      failed(1, 'safety_refused'),
      'ignored: a later attempt has taken over',
    ],
    ['cancelled', running, cancelled(1), 'cancelled'],
    ['cancelled, of a superseded attempt', second, cancelled(1), 'ignored: a later attempt has taken over'],
    ['completed, twice', completed, finished(1), 'ignored: the task is already completed'],
    ['completed, of this very task', running, finished(1, { seq: 7 }), 'completed'],
    [
      'completed, of an earlier task of this id',
      running,
      finished(1, { seq: 6 }),
      'ignored: it is of another task of this id',
    ],
    [
      'started, of an earlier task of this id',
      assigned,
      { ...started(1), seq: 6 },
      'ignored: it is of another task of this id',
    ],
    [
      'completed, of another node than the attempt was placed on',
      running,
      finished(1, { node: 'pine' }),
      'ignored: the attempt is of another node',
    ],
    ['completed, by a later life of the node', running, finished(1, { instance_id: 'i2' }), 'completed'],
    ['failed, after the end', completed, failed(1, 'cli_crashed'), 'ignored: the task is already completed'],
    [
      'completed, after a cancel',
      apply(running, cancelled(1)),
      finished(1),
      'ignored: the task is already cancelled',
    ],
  ])('%s: %#', (_what, state, report, expected) => {
    const folded = fold(task(state), report, 1);
    expect(folded.outcome === 'ignore' ? `ignored: ${folded.reason}` : apply(state, report).status).toBe(
      expected,
    );
  });

  test('of a failure that is tried again carries the pause and the reason, and keeps no text', () => {
    expect(fold(task(running), failed(1, 'rate_limited', { text: { inline: 'half' } }), 0)).toEqual({
      outcome: 'step',
      step: {
        step: 'requeue',
        attempt: 1,
        error: { code: 'rate_limited', message: 'It failed.', retryable: true },
        retry_after_ms: 500,
      },
      keep_text: false,
    });
  });

  test('of a final failure keeps what came before it', () => {
    const folded = fold(task(running), failed(1, 'output_too_large', { text: { inline: 'the start' } }), 0);
    expect(folded).toMatchObject({ step: { step: 'fail', partial: true }, keep_text: true });
    expect(fold(task(running), failed(1, 'safety_refused'), 0)).toMatchObject({
      step: { step: 'fail', partial: false },
      keep_text: false,
    });
  });

  test('of a cancelled attempt confirms the stop', () => {
    expect(apply(running, cancelled(1))).toMatchObject({ status: 'cancelled', stop_confirmed: true });
  });

  test('of the last attempt allowed ends the task', () => {
    expect(fold(task(running, { max_attempts: 1 }), failed(1, 'cli_crashed'), 0)).toMatchObject({
      step: { step: 'fail' },
    });
  });
});

describe('a report that came over SSH', () => {
  test.each([
    ['started', started(1)],
    ['completed', finished(1)],
    ['failed for good', failed(1, 'task_timeout')],
    ['failed, and tried again', failed(1, 'rate_limited')],
  ])('marks the attempt: %s', (_what, report) => {
    const state = apply(assigned, { ...report, transport: 'ssh' });
    expect(state.attempts.at(0)).toMatchObject({ attempt: 1, transport: 'ssh' });
    expect(apply(assigned, report).attempts.at(0)).not.toHaveProperty('transport');
  });
});

describe('reports in any order, any of them twice', () => {
  test.each(seeds(100))('end a task once and for all, and with a success if there is one (seed %i)', seed => {
    const random = seeded(seed);
    const ends = [
      finished(1),
      finished(2),
      failed(1, 'cli_crashed'),
      failed(2, 'cli_crashed'),
      failed(1, 'safety_refused'),
      cancelled(1),
    ] as const;
    // Each attempt ends in one way only.
    const first = random.pick([ends[0], ends[2], ends[4], ends[5]]);
    const other = random.pick([ends[1], ends[3]]);
    const all = [started(1), started(2), first, other];
    const sent = random.shuffle([...all, ...all]);
    let state = second;
    let ended: TaskState | undefined;
    for (const report of sent) {
      state = apply(state, report);
      if (ended === undefined && ['completed', 'failed', 'cancelled'].includes(state.status)) ended = state;
      if (ended !== undefined) expect(state).toEqual(ended);
    }
    const success = [first, other].some(
      report => report.kind === 'finished' && report.outcome === 'completed',
    );
    expect(state.status).toBe(success ? 'completed' : 'queued');
    expect(apply(state, ...random.shuffle(all))).toEqual(state);
  });
});

describe('a failure that shows an agent not to be set up', () => {
  const report = finished(1, {
    outcome: 'failed',
    error: { code: 'auth_refused', message: 'The key is wrong.', retryable: false },
  });

  test('ends the task when it has nowhere else to go', () => {
    expect(fold(task(running), report, 1)).toMatchObject({ step: { step: 'fail' } });
  });

  test('sends it on at once when its fallback chain has another agent', () => {
    expect(fold(task(running, {}, true), report, 1)).toMatchObject({
      step: { step: 'requeue', attempt: 1, retry_after_ms: 0, error: { code: 'auth_refused' } },
    });
  });
});
