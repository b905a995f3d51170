import { describe, expect, test } from 'vitest';
import { seeded } from '../support/random.ts';
import { audit } from './audit.ts';
import type { Evidence, StoredAttempt, StoredState, StoredTask } from './evidence.ts';
import { type Lane, type RunKind, WORLD_FAULTS } from './kinds.ts';
import { holds, render } from './report.ts';
import { planFaults, planTasks } from './schedule.ts';
import { readPrompt, writePrompt } from './script.ts';

const attemptOf = (over: Partial<StoredAttempt> = {}): StoredAttempt => ({
  attempt: 1,
  node: 'walnut',
  agent_id: 'walnut-plain',
  error_code: undefined,
  ...over,
});

const stateOf = (status: StoredState['status'], over: Partial<StoredState> = {}): StoredState => ({
  status,
  error_code: undefined,
  result_attempt: status === 'completed' ? 1 : undefined,
  attempts: status === 'queued' ? [] : [attemptOf()],
  at_ms: 100_000,
  ...over,
});

const completed = (n: number): StoredTask => ({
  task_id: `t${n}`,
  n,
  created_at_ms: 100_000,
  states: [stateOf('assigned'), stateOf('running'), stateOf('completed')],
  result: { attempt: 1, sha256: `hash-${n}`, bytes: 7 },
});

const run = (n: number, over: Partial<Evidence['runs'][number]> = {}): Evidence['runs'][number] => ({
  n,
  run: 0,
  by: 'walnut-plain',
  kind: 'ok',
  sha256: `hash-${n}`,
  bytes: 7,
  at_ms: 100_000,
  ...over,
});

/** A run in which all went well: one task on a scripted tool, one on the real gemini. */
const good: Evidence = {
  submitted: [
    { n: 0, task_ids: ['t0'], cancel_asked: false },
    { n: 1, task_ids: ['t1'], cancel_asked: false },
  ],
  stored: [completed(0), completed(1)],
  told: [
    { task_id: 't0', status: 'completed' },
    { task_id: 't1', status: 'completed' },
  ],
  runs: [run(0), run(1, { by: 'model' })],
  faults: [],
  lanes: ['plain', 'gemini_warm'],
  surprises: [],
  left: [],
  required: {},
};

/** The checks that found something. */
const found = (change: Partial<Evidence>): string[] =>
  audit({ ...good, ...(change.stored !== undefined && { told: [] }), ...change })
    .checks.filter(({ faults }) => faults.length > 0)
    .map(({ name }) => name);

const withFirst = (change: Partial<StoredTask>): StoredTask[] => [
  { ...completed(0), ...change },
  completed(1),
];

const failedWith = (
  code: NonNullable<StoredAttempt['error_code']>,
  over: Partial<StoredAttempt> = {},
): StoredTask[] =>
  withFirst({
    states: [
      stateOf('assigned', { attempts: [attemptOf(over)] }),
      stateOf('failed', {
        error_code: code,
        at_ms: 110_000,
        attempts: [attemptOf({ ...over, error_code: code })],
      }),
    ],
    result: undefined,
  });

const UNEXPLAINED = 'failures without an injected fault';
const DIFFERENT = 'results that differ from what the tool wrote';

describe('the audit', () => {
  test('passes a run in which all went well', () => {
    expect(found({})).toEqual([]);
    expect(holds(audit(good))).toBe(true);
    expect(render(audit(good))).not.toContain('FAILED');
  });

  test('misses a task that a reply promised and the store does not have', () => {
    expect(found({ stored: [completed(1)] })).toContain('lost');
  });

  test('sees a task that has not ended, whether it was ever assigned or not', () => {
    expect(found({ stored: withFirst({ states: [stateOf('running')] }) })).toContain('not ended');
    expect(found({ stored: withFirst({ states: [] }) })).toContain('not ended');
  });

  test('sees a second end, and any life after an end', () => {
    for (const after of ['failed', 'completed', 'queued'] as const) {
      const states = [...completed(0).states, stateOf(after)];
      expect(found({ stored: withFirst({ states }) }), after).toContain('with two ends');
    }
  });

  test('sees events that tell of another end than the store', () => {
    const told = [...good.told, { task_id: 't0', status: 'failed' as const }];
    expect(found({ told })).toContain('with two ends');
  });

  test('sees one key that became two tasks', () => {
    const submitted = [{ n: 0, task_ids: ['t0', 't1'], cancel_asked: false }];
    expect(found({ submitted })).toContain('two tasks for one key');
    const stored = [...good.stored, { ...completed(0), task_id: 'other' }];
    expect(found({ stored })).toContain('two tasks for one key');
  });

  test('sees a result that no run of the task wrote', () => {
    const changed = { attempt: 1, sha256: 'hash-1', bytes: 7 };
    expect(found({ stored: withFirst({ result: changed }) })).toEqual([DIFFERENT]);
    expect(found({ stored: withFirst({ result: undefined }) })).toEqual([DIFFERENT]);
    const broken = { attempt: 1, sha256: 'hash-0', bytes: 0, problem: 'slice 0 of 2 is missing' };
    expect(found({ stored: withFirst({ result: broken }) })).toEqual([DIFFERENT]);
    const other = { attempt: 2, sha256: 'hash-0', bytes: 7 };
    expect(found({ stored: withFirst({ result: other }) })).toEqual([DIFFERENT]);
  });

  test('does not take what a run did not mean to be its answer', () => {
    const { sha256: _hash, ...halted } = run(0, { kind: 'crash' });
    expect(found({ runs: [halted, run(1, { by: 'model' })] })).toEqual([DIFFERENT]);
  });

  test('sees a cancelled task that nobody cancelled', () => {
    const stored = withFirst({ states: [stateOf('cancelled')], result: undefined });
    expect(found({ stored })).toEqual(['cancelled though nobody asked']);
    const submitted = [{ n: 0, task_ids: ['t0'], cancel_asked: true }];
    expect(found({ stored, submitted })).toEqual([]);
  });

  test('sees an attempt that was run twice', () => {
    expect(found({ runs: [...good.runs, run(0, { run: 1 })] })).toEqual(['attempts that ran twice']);
  });

  test('sees what is left, what surprised, and what came too seldom', () => {
    expect(found({ left: ['1234: node'] })).toEqual(['processes left']);
    expect(found({ surprises: ['walnut ended by itself'] })).toEqual([
      'daemons that ended, or did not end, by themselves',
    ]);
    expect(found({ required: { nats_killed: 1 } })).toEqual(['fault kinds that came too seldom']);
    expect(found({ runs: [run(0), run(1)] })).toEqual(['tasks on the real gemini below 10 %']);
  });
});

describe('a failure is explained', () => {
  const crash = run(0, { kind: 'crash', at_ms: 105_000 });
  const model = run(1, { by: 'model' });

  test("by the task's own script, on that agent, at that time", () => {
    const stored = failedWith('cli_crashed');
    expect(found({ stored })).toEqual([UNEXPLAINED]);
    expect(found({ stored, runs: [crash, model] })).toEqual([]);
    expect(found({ stored, runs: [{ ...crash, by: 'ironwood-plain' }, model] })).toEqual([UNEXPLAINED]);
    expect(found({ stored, runs: [{ ...crash, at_ms: 160_000 }, model] })).toEqual([UNEXPLAINED]);
    expect(found({ stored, runs: [{ ...crash, kind: 'empty' }, model] })).toEqual([UNEXPLAINED]);
  });

  test('by a neighbour only where tasks share a process', () => {
    const neighbour = run(9, { kind: 'crash', by: 'walnut-acp', at_ms: 105_000 });
    const runs = [run(0), model, neighbour];
    const stored = failedWith('cli_crashed', { agent_id: 'walnut-acp' });
    expect(found({ stored, runs, lanes: ['acp', 'gemini_warm'] })).toEqual([]);
    expect(found({ stored, runs, lanes: ['plain', 'gemini_warm'] })).toEqual([UNEXPLAINED]);
  });

  test('by a fault of its own node, in its time', () => {
    const stored = failedWith('agent_restarted');
    const kill = { kind: 'node_killed', target: 'walnut', from_ms: 104_000, to_ms: 105_000 } as const;
    expect(found({ stored })).toEqual([UNEXPLAINED]);
    expect(found({ stored, faults: [kill] })).toEqual([]);
    expect(found({ stored, faults: [{ ...kill, target: 'ironwood' }] })).toEqual([UNEXPLAINED]);
    expect(found({ stored, faults: [{ ...kill, kind: 'node_paused' }] })).toEqual([UNEXPLAINED]);
    expect(found({ stored, faults: [{ ...kill, from_ms: 200_000, to_ms: 201_000 }] })).toEqual([UNEXPLAINED]);
    expect(found({ stored, faults: [{ ...kill, from_ms: 50_000, to_ms: 51_000 }] })).toEqual([UNEXPLAINED]);
  });

  test('never, when it is an error of ours', () => {
    const faults = WORLD_FAULTS.map(kind => ({
      kind,
      target: 'walnut' as const,
      from_ms: 100_000,
      to_ms: 110_000,
    }));
    expect(found({ stored: failedWith('internal'), faults, runs: [crash, model] })).toEqual([UNEXPLAINED]);
    const never = withFirst({ states: [stateOf('failed', { attempts: [] })], result: undefined });
    expect(found({ stored: never, faults, runs: [run(1, { by: 'model' })] })).toEqual([UNEXPLAINED]);
  });
});

describe('the plan', () => {
  const size = { tasks: 2_000, storm_ms: 300_000, faulty: 33 };

  test('is the same for the same seed, and another for another', () => {
    const plan = (seed: number) => [
      planTasks(seeded(seed), size),
      planFaults(seeded(seed), { count: 24, storm_ms: 300_000 }),
    ];
    expect(plan(7)).toEqual(plan(7));
    expect(plan(7)).not.toEqual(plan(8));
  });

  test('has every kind of fault often enough, spread over the storm', () => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const faults = planFaults(seeded(seed), { count: 24, storm_ms: 300_000 });
      for (const kind of WORLD_FAULTS) {
        const times = faults.filter(fault => fault.kind === kind).map(({ at_ms }) => at_ms);
        expect(times).toHaveLength(24);
        for (const third of [0, 1, 2])
          expect(times.filter(at => Math.floor(at / 100_001) === third).length).toBeGreaterThanOrEqual(7);
      }
      const tasks = planTasks(seeded(seed), size);
      const met = (lane: Lane, kind: RunKind): number =>
        tasks.filter(task => task.lane === lane && task.script.runs[0] === kind).length;
      for (const kind of ['crash', 'hang', 'empty', 'garbage'] as const) {
        expect(met('plain', kind)).toBe(33);
        expect(met('acp', kind)).toBe(33);
      }
      expect(met('gemini_warm', 'limited')).toBe(33);
      expect(met('gemini_warm', 'overloaded')).toBe(33);
      expect(tasks.filter(({ lane }) => lane.startsWith('gemini')).length).toBeGreaterThanOrEqual(250);
      expect(tasks.filter(({ cancel_after_ms }) => cancel_after_ms !== undefined).length).toBeGreaterThan(50);
    }
  });

  test('a prompt says what is to be done, whatever stands around it', () => {
    const script = { n: 5, runs: ['crash' as const], bytes: 3, work_ms: 10 };
    expect(readPrompt(`before\n${writePrompt(script, 10)}\nafter`)).toEqual(script);
    expect(readPrompt('2+2?')).toBeUndefined();
  });
});
