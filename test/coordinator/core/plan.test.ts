import { describe, expect, test } from 'vitest';
import { type Candidate, fitOf } from '../../../coordinator/core/placement.ts';
import { type Action, plan, type QueuedTask, type Snapshot } from '../../../coordinator/core/plan.ts';
import { type Random, seeded, seeds } from '../../support/random.ts';
import { agent, describeAction, snapshot, task } from './snapshot.ts';

/** The lines after `=>` are what the plan is to be, action by action. */
function golden(text: string): void {
  const expected = text
    .split('\n')
    .map(line => line.trim())
    .filter(line => line.startsWith('=> '))
    .map(line => line.slice(3));
  expect(plan(snapshot(text)).map(describeAction)).toEqual(expected);
}

describe('the plan', () => {
  test('is empty when nothing is queued', () => {
    golden('agent walnut-gemini 0/2');
  });

  test('fills free slots in order of arrival and lets the rest wait', () => {
    golden(`
      agent walnut-gemini 1/2
      agent ironwood-gemini 0/1
      task a
      task b
      task c
      => a goes to ironwood-gemini on ironwood: priority 0, cold, 0 of 1 slots taken; best of 2 free
      => b goes to walnut-gemini on walnut: priority 0, cold, 1 of 2 slots taken; the only agent free
      => c waits: All 2 slots of walnut-gemini are taken.
    `);
  });

  test('counts what it has just given away', () => {
    golden(`
      agent walnut-gemini 0/2
      task a
      task b
      task c
      => a goes to walnut-gemini on walnut: priority 0, cold, 0 of 2 slots taken; the only agent free
      => b goes to walnut-gemini on walnut: priority 0, cold, 1 of 2 slots taken; the only agent free
      => c waits: All 2 slots of walnut-gemini are taken.
    `);
  });

  test('counts each node by itself when two have an agent of the same name', () => {
    golden(`
      agent echo 0/1 node=walnut
      agent echo 0/1 node=ironwood
      task a
      task b
      task c
      => a goes to echo on ironwood: priority 0, cold, 0 of 1 slots taken; best of 2 free
      => b goes to echo on walnut: priority 0, cold, 0 of 1 slots taken; the only agent free
      => c waits: The only slot of echo is taken.
    `);
  });

  test('tries another agent after a failure, even one of less priority, before the same one again', () => {
    golden(`
      agent walnut-gemini 0/2 priority=5
      agent ironwood-gemini 0/2
      task a attempt=2 tried=walnut-gemini
      task b attempt=3 tried=walnut-gemini,ironwood-gemini
      => a goes to ironwood-gemini on ironwood as attempt 2: priority 0, cold, 0 of 2 slots taken; best of 2 free
      => b goes to walnut-gemini on walnut as attempt 3: priority 5, cold, 0 of 2 slots taken; best of 2 free
    `);
  });

  test('takes larger priorities first', () => {
    golden(`
      agent walnut-gemini 0/1
      task low priority=-1
      task plain
      task high priority=5
      => high goes to walnut-gemini on walnut: priority 0, cold, 0 of 1 slots taken; the only agent free
      => plain waits: The only slot of walnut-gemini is taken.
      => low waits: The only slot of walnut-gemini is taken.
    `);
  });

  test('prefers priority, then warmth, then free share, then the name', () => {
    golden(`
      agent d-plain 0/1
      agent c-plain 0/1
      agent b-warm 1/2 warm
      agent a-first 3/4 priority=1
      task 1
      task 2
      task 3
      task 4
      => 1 goes to a-first on a: priority 1, cold, 3 of 4 slots taken; best of 4 free
      => 2 goes to b-warm on b: priority 0, warm, 1 of 2 slots taken; best of 3 free
      => 3 goes to c-plain on c: priority 0, cold, 0 of 1 slots taken; best of 2 free
      => 4 goes to d-plain on d: priority 0, cold, 0 of 1 slots taken; the only agent free
    `);
  });

  test('lets a task that fits elsewhere pass one that waits', () => {
    golden(`
      agent walnut-gemini 2/2
      agent walnut-claude 0/1 type=cli_claude
      task a type=cli_gemini
      task b type=cli_claude
      => a waits: All 2 slots of walnut-gemini are taken.
      => b goes to walnut-claude on walnut: priority 0, cold, 0 of 1 slots taken; the only agent free
    `);
  });

  test('does not let a long prompt that waits keep back a short one that fits elsewhere', () => {
    golden(`
      agent walnut-large 1/1 max_prompt=1000000
      agent walnut-small 0/1 max_prompt=1000
      task long bytes=500000
      task short bytes=10
      => long waits: The only slot of walnut-large is taken.
      => short goes to walnut-small on walnut: priority 0, cold, 0 of 1 slots taken; the only agent free
    `);
  });

  test('waits while no agent is there, and says so', () => {
    golden(`
      task a
      task b agent=walnut-gemini
      => a waits: No agent has joined this fleet; start one with \`ccli node-agent\`.
      => b waits: No agent has joined this fleet; start one with \`ccli node-agent\`.
    `);
  });

  test('waits for agents that are starting, cooling down, away or broken, and says for which', () => {
    golden(`
      agent a-one 0/1 starting
      agent b-one 0/1 cooling
      agent c-one 0/1 silent
      agent d-one 0/1 contested
      agent e-one 0/1 draining
      agent f-one 0/1 disabled
      agent g-one 0/1 broken
      task a agent=a-one
      task b agent=b-one
      task c agent=c-one
      task d agent=d-one
      task e agent=e-one
      task f agent=f-one
      task g agent=g-one
      task h agent=nobody
      task i
      => a waits: a-one is starting.
      => b waits: b-one is cooling down (rate_limited) for another 1 s.
      => c waits: Node c is silent.
      => d waits: Two daemons call themselves d; stop one.
      => e waits: Node e is draining.
      => f waits: f-one is disabled.
      => g waits: g-one has no CLI.
      => h waits: No agent is called "nobody"; there are a-one, b-one, c-one, d-one, e-one, f-one, g-one.
      => i waits: a-one is starting.
    `);
  });

  test('waits for the earliest agent when all that fit are cooling down', () => {
    golden(`
      agent a-one 0/1 cooling=90000
      agent a-two 0/1 cooling=43000
      agent b-one 0/1 type=cli_qwen
      task a type=cli_gemini
      => a waits: a-two is cooling down (rate_limited) for another 43 s.
    `);
  });

  test('leaves a node alone that has no room for results', () => {
    golden(`
      agent a-one 0/1 priority=5 warm full
      agent b-one 0/1
      task a
      task b agent=a-one
      => a goes to b-one on b: priority 0, cold, 0 of 1 slots taken; the only agent free
      => b waits: Node a has no room for results.
    `);
  });

  test('goes to another agent while one is cooling down', () => {
    golden(`
      agent a-one 0/1 priority=5 warm cooling=90000
      agent a-two 0/1
      task a
      => a goes to a-two on a: priority 0, cold, 0 of 1 slots taken; the only agent free
    `);
  });

  test('fails a task past its deadline, free slot or not, pause or not', () => {
    golden(`
      agent a-one 0/1
      task late deadline=0
      task pausing deadline=-5 pause=1000
      task intime deadline=1
      => late fails with deadline_passed: The task did not end before its deadline; give it more time.
      => pausing fails with deadline_passed: The task did not end before its deadline; give it more time.
      => intime goes to a-one on a: priority 0, cold, 0 of 1 slots taken; the only agent free
    `);
  });

  test('leaves a task alone while its pause lasts', () => {
    golden(`
      agent walnut-gemini 0/1
      task a pause=10 attempt=2
      task b attempt=2
      => a waits: a pause after the last attempt
      => b goes to walnut-gemini on walnut as attempt 2: priority 0, cold, 0 of 1 slots taken; the only agent free
    `);
  });

  test('fails a task that has waited as long as it may, with what it waited for', () => {
    golden(`
      agent walnut-gemini 1/1
      agent walnut-claude 0/1 type=cli_claude silent
      task first
      task busy max_queue=100 waited=100
      task early max_queue=100 waited=99
      task away type=cli_claude max_queue=100 waited=100
      task unknown agent=nobody max_queue=100 waited=5000
      => first waits: The only slot of walnut-gemini is taken.
      => busy fails with slots_taken: It waited as long as it may. The only slot of walnut-gemini is taken.
      => early waits: The only slot of walnut-gemini is taken.
      => away fails with node_lost: It waited as long as it may. Node walnut is silent.
      => unknown fails with agent_unknown: It waited as long as it may. No agent is called "nobody"; there are walnut-claude, walnut-gemini.
    `);
  });

  test('fails a task whose time is over although a slot has just become free, and blames no agent', () => {
    golden(`
      agent walnut-gemini 0/1
      task late max_queue=100 waited=100 pause=5
      => late fails with slots_taken: It waited as long as it may.
    `);
  });
});

describe('any plan', () => {
  const TYPES = ['cli_gemini', 'cli_claude'] as const;
  const TROUBLES = ['silent', 'contested', 'draining', 'disabled', 'starting', 'broken', 'cooling'] as const;

  const randomAgent = (random: Random, index: number): Candidate => {
    const max = random.between(0, 3);
    const words = [
      `echo-${random.between(0, 3)} ${random.between(0, max)}/${max} node=n${index}`,
      `type=${random.pick(TYPES)} priority=${random.between(0, 1)} max_prompt=${random.pick([100, 10_000])}`,
      random.chance(0.5) ? 'warm' : '',
      random.chance(0.2) ? random.pick(TROUBLES) : '',
    ];
    return agent(words.join(' '));
  };

  const randomTask = (random: Random, index: number): QueuedTask => {
    const words = [
      `t${index} bytes=${random.pick([10, 1_000])} priority=${random.between(0, 2)}`,
      random.chance(0.3) ? `type=${random.pick(TYPES)}` : '',
      random.chance(0.2) ? `agent=echo-${random.between(0, 4)}` : '',
      random.chance(0.1) ? 'pause=10' : '',
      random.chance(0.1) ? 'max_queue=100 waited=100' : '',
    ];
    return task(words.join(' '), index);
  };

  const randomSnapshot = (random: Random): Snapshot => ({
    candidates: Array.from({ length: random.between(0, 6) }, (_, index) => randomAgent(random, index)),
    queued: random.shuffle(
      Array.from({ length: random.between(0, 20) }, (_, index) => randomTask(random, index)),
    ),
  });

  const slot = ({ node, status }: Candidate): string => `${node}/${status.agent_id}`;
  const expired = ({ options, waited_ms }: QueuedTask): boolean =>
    options.max_queue_ms !== undefined && waited_ms >= options.max_queue_ms;

  /** The agents as they are once the first `count` actions are done. */
  const afterActions = ({ candidates }: Snapshot, actions: readonly Action[]): Candidate[] =>
    candidates.map(candidate => {
      const given = actions.filter(
        action => action.action === 'assign' && slot(action.candidate) === slot(candidate),
      );
      return { ...candidate, used: candidate.used + given.length };
    });

  const find = (tasks: Snapshot, { task_id }: Action): QueuedTask => {
    const found = tasks.queued.find(queued => queued.task_id === task_id);
    if (found === undefined) throw new Error(`the plan made up ${task_id}`);
    return found;
  };

  /** What it does, without the reasons: those may name any of several agents. */
  const outline = (actions: readonly Action[]): string[] =>
    actions.map(action =>
      action.action === 'assign'
        ? `${action.task_id} ${slot(action.candidate)}`
        : `${action.task_id} ${action.action}`,
    );

  describe.each(seeds(100))('(seed %i)', seed => {
    const given = randomSnapshot(seeded(seed));
    const actions = plan(given);

    test('says one thing about each queued task', () => {
      expect(actions.map(({ task_id }) => task_id).sort()).toEqual(
        given.queued.map(({ task_id }) => task_id).sort(),
      );
    });

    test('gives tasks only to agents that fit and have a slot left at that moment', () => {
      for (const [index, action] of actions.entries()) {
        if (action.action !== 'assign') continue;
        const now = afterActions(given, actions.slice(0, index));
        const chosen = now.find(candidate => slot(candidate) === slot(action.candidate));
        expect(chosen && fitOf(chosen, find(given, action))).toEqual({ fit: 'free' });
        expect(action.attempt).toBe(find(given, action).attempt);
      }
      for (const { used, status } of afterActions(given, actions))
        expect(used).toBeLessThanOrEqual(status.max_concurrent);
    });

    test('leaves no task waiting beside a slot it could have', () => {
      const left = afterActions(given, actions);
      for (const action of actions) {
        const queued = find(given, action);
        if (action.action !== 'wait' || queued.pause_ms > 0) continue;
        expect(left.filter(candidate => fitOf(candidate, queued).fit === 'free')).toEqual([]);
      }
    });

    test('goes by priority, then by arrival', () => {
      const turns = actions.map(action => find(given, action));
      const sorted = [...turns].sort(
        (a, b) => (b.options.priority ?? 0) - (a.options.priority ?? 0) || a.seq - b.seq,
      );
      expect(turns.map(({ task_id }) => task_id)).toEqual(sorted.map(({ task_id }) => task_id));
    });

    test('fails the tasks that have waited too long, and no others', () => {
      const failed = actions.filter(({ action }) => action === 'fail').map(({ task_id }) => task_id);
      expect(failed.sort()).toEqual(
        given.queued
          .filter(expired)
          .map(({ task_id }) => task_id)
          .sort(),
      );
    });

    test('is the same for the same snapshot, in whatever order it is listed', () => {
      const random = seeded(seed + 1_000);
      const shuffled = {
        candidates: random.shuffle(given.candidates),
        queued: random.shuffle(given.queued),
      };
      expect(plan(structuredClone(given))).toEqual(actions);
      expect(outline(plan(shuffled))).toEqual(outline(actions));
    });
  });
});
