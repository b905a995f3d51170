import { describe, expect, test } from 'vitest';
import { chainOf } from '../../../coordinator/core/chain.ts';
import type { Candidate } from '../../../coordinator/core/placement.ts';
import { type Action, plan, type QueuedTask, type Snapshot } from '../../../coordinator/core/plan.ts';
import { compareStandings, type Standing } from '../../../coordinator/core/score.ts';
import type { Running, Served } from '../../../coordinator/core/share.ts';
import { type Random, seeded, seeds } from '../../support/random.ts';
import { whyNot } from './oracle.ts';
import { agent, task } from './snapshot.ts';

const TYPES = ['cli_gemini', 'cli_claude', 'ollama'] as const;
const TROUBLES = [
  'silent',
  'contested',
  'draining',
  'full',
  'disabled',
  'denied',
  'starting',
  'absent',
  'broken',
  'cooling=5000',
  'cooling=90000',
] as const;
const CALLERS = ['ann', 'bob', 'cal'] as const;
const CODES = ['cli_crashed', 'auth_refused', 'endpoint_unreachable', 'context_too_long'] as const;

const maybe = (random: Random, probability: number, word: () => string): string =>
  random.chance(probability) ? word() : '';

function randomAgent(random: Random, index: number): Candidate {
  const max = random.between(0, 3);
  const words = [
    `n${index}-echo ${random.between(0, max)}/${max} type=${random.pick(TYPES)}`,
    `priority=${random.between(0, 1)} max_prompt=${random.pick([100, 10_000])}`,
    maybe(random, 0.5, () => 'warm'),
    maybe(random, 0.3, () => `specialty=${random.pick(['tester', 'profiler'])}`),
    maybe(random, 0.3, () => `models=${random.pick(['small', 'small,large'])} loaded=small`),
    maybe(random, 0.3, () => `gpu=${random.between(0, 20)}/${random.pick([24, 80])}`),
    maybe(random, 0.3, () => `label=site:${random.pick(['north', 'south'])}`),
    maybe(random, 0.4, () => `recent=${random.between(0, 10)}/10 first_chunk=${random.between(1, 20_000)}`),
    maybe(random, 0.3, () => random.pick(TROUBLES)),
  ];
  return agent(words.join(' '));
}

const someAgent = (random: Random): string => `n${random.between(0, 7)}-echo`;

function randomTask(random: Random, index: number): QueuedTask {
  const member = (): string => (random.chance(0.5) ? random.pick(TYPES) : someAgent(random));
  const words = [
    `t${index} bytes=${random.pick([10, 1_000])} priority=${random.between(0, 1)} caller=${random.pick(CALLERS)}`,
    maybe(random, 0.2, () => `type=${random.pick(TYPES)}`),
    maybe(random, 0.15, () => `agent=${someAgent(random)}`),
    maybe(random, 0.15, () => `specialty=${random.pick(['tester', 'general_ai'])}`),
    maybe(random, 0.15, () => `model=${random.pick(['small', 'large'])}`),
    maybe(random, 0.1, () => 'min_gpu=24'),
    maybe(random, 0.1, () => `label=site:${random.pick(['north', 'south'])}`),
    maybe(random, 0.4, () => `fallback=${member()},${member()}`),
    maybe(random, 0.2, () => `max_attempts=${random.between(2, 5)}`),
    maybe(random, 0.2, () => `session=s${random.between(0, 2)} with=${someAgent(random)}`),
    maybe(random, 0.05, () => 'session=s3 earlier'),
    maybe(random, 0.1, () => 'pause=10'),
    maybe(random, 0.1, () => 'max_queue=100 waited=100'),
    maybe(random, 0.3, () => randomPast(random)),
  ];
  const all = words.join(' ').split(/\s+/);
  const [name, ...rest] = all;
  // The last of two words of one name counts.
  return task([name, ...new Map(rest.map(word => [word.split('=')[0], word])).values()].join(' '), index);
}

/** Of refused attempts the last one alone is on record, so numbers may be missing before it. */
function randomPast(random: Random): string {
  const last = random.pick([3, 3, 7, 14]);
  const failures = [1, 2, last].map(number => `${randomFailure(random)}#${number}`);
  return `attempt=${last + 1} tried=${failures.join(',')}`;
}

const randomFailure = (random: Random): string =>
  `${someAgent(random)}${random.pick([':', ':', '~'])}${random.pick(CODES)}@${random.between(0, 2)}`;

const randomSnapshot = (random: Random): Snapshot => ({
  candidates: Array.from({ length: random.between(0, 8) }, (_, index) => randomAgent(random, index)),
  queued: random.shuffle(
    Array.from({ length: random.between(0, 20) }, (_, index) => randomTask(random, index)),
  ),
  running: CALLERS.flatMap(caller =>
    Array.from({ length: random.between(0, 4) }, () => runsOn(caller, someAgent(random))),
  ),
  served: CALLERS.map(caller => ({ ...runsOn(caller, someAgent(random)), seq: random.between(0, 20) })),
});

const runsOn = (caller: string, agent_id: string): Running => ({
  caller,
  node: agent_id.split('-')[0] ?? '',
  agent_id,
});

const slot = ({ node, status }: Candidate): string => `${node}/${status.agent_id}`;

/** The agents as they are once these actions are done. */
const after = ({ candidates }: Snapshot, actions: readonly Action[]): Candidate[] =>
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

const priorityOf = ({ options }: QueuedTask): number => options.priority ?? 0;

describe.each(seeds(250))('any plan (seed %i)', seed => {
  const given = randomSnapshot(seeded(seed));
  const actions = plan(given);
  /** Whoever must wait for an older task of its session. */
  const behind = (one: QueuedTask): boolean =>
    one.options.session_id !== undefined &&
    given.queued.some(
      other =>
        other.caller === one.caller &&
        other.options.session_id === one.options.session_id &&
        other.seq < one.seq,
    );

  test('says one thing about each queued task', () => {
    expect(actions.map(({ task_id }) => task_id).sort()).toEqual(
      given.queued.map(({ task_id }) => task_id).sort(),
    );
  });

  test('is never over capacity, and gives no task to an agent that may not have it', () => {
    for (const [index, action] of actions.entries()) {
      if (action.action !== 'assign') continue;
      const now = after(given, actions.slice(0, index));
      const chosen = now.find(candidate => slot(candidate) === slot(action.candidate));
      const wanted = find(given, action);
      expect(chosen && whyNot(wanted, chosen, now), action.task_id).toBeUndefined();
      expect(chosen).toEqual(action.candidate);
      expect(action.attempt).toBe(wanted.attempt);
      expect(behind(wanted)).toBe(false);
    }
    for (const { used, status } of after(given, actions))
      expect(used).toBeLessThanOrEqual(Math.max(status.max_concurrent, status.running));
  });

  test('takes the best of those that it may take at that moment', () => {
    for (const [index, action] of actions.entries()) {
      if (action.action !== 'assign') continue;
      const wanted = find(given, action);
      if (wanted.tried.length > 0 || wanted.session !== undefined || wanted.chain !== undefined) continue;
      const now = after(given, actions.slice(0, index));
      const standings = now
        .filter(candidate => whyNot(wanted, candidate, now) === undefined)
        .map(({ node, status, used }): Standing => {
          const plain = { in_session: false, position: 0, regard: 'fresh' } as const;
          return { node, status, used, demand: wanted, ...plain };
        })
        .sort(compareStandings);
      expect(standings[0]?.node).toBe(action.candidate.node);
    }
  });

  test('leaves no task waiting beside an agent that it may have', () => {
    const left = after(given, actions);
    for (const action of actions) {
      const wanted = find(given, action);
      if (action.action !== 'wait' || wanted.pause_ms > 0 || behind(wanted)) continue;
      expect(
        left.filter(candidate => whyNot(wanted, candidate, left) === undefined),
        action.task_id,
      ).toEqual([]);
    }
  });

  test('never lets a younger task of the same caller and priority take what an older one could have had', () => {
    for (const [index, action] of actions.entries()) {
      if (action.action !== 'assign') continue;
      const young = find(given, action);
      const now = after(given, actions.slice(0, index));
      const chosen = now.find(candidate => slot(candidate) === slot(action.candidate));
      for (const other of actions) {
        const old = find(given, other);
        const same = old.caller === young.caller && priorityOf(old) === priorityOf(young);
        if (other.action !== 'wait' || !same || old.seq > young.seq || old.pause_ms > 0 || behind(old))
          continue;
        expect(chosen && whyNot(old, chosen, now), `${old.task_id} before ${young.task_id}`).toBeDefined();
      }
    }
  });

  test('fails the tasks that have waited too long, and no others', () => {
    const expired = ({ options, waited_ms }: QueuedTask): boolean =>
      options.max_queue_ms !== undefined && waited_ms >= options.max_queue_ms;
    const failed = actions.filter(({ action }) => action === 'fail').map(({ task_id }) => task_id);
    expect(failed.sort()).toEqual(
      given.queued
        .filter(expired)
        .map(({ task_id }) => task_id)
        .sort(),
    );
  });

  test('tells of each agent once, of the chosen one first, and of the passed ones of the chain', () => {
    for (const action of actions) {
      if (action.action !== 'assign') continue;
      const names = action.considered.map(({ node, agent_id }) => `${node}/${agent_id}`);
      expect(names.sort()).toEqual(given.candidates.map(slot).sort());
      expect(action.left_out).toBe(0);
      expect(action.considered[0]).toMatchObject({
        verdict: 'chosen',
        node: action.candidate.node,
        agent_id: action.candidate.status.agent_id,
        why: action.why,
      });
      expect(action.considered.filter(({ verdict }) => verdict === 'chosen')).toHaveLength(1);
      const { chain } = find(given, action);
      const { fallback } = action;
      if (fallback === undefined) continue;
      expect(chain?.length).toBeGreaterThan(fallback.position);
      if (fallback.why.includes('its session')) continue;
      for (const name of chain?.slice(0, fallback.position) ?? [])
        expect(fallback.why).toContain(`${name}: `);
    }
  });

  test('is the same for the same snapshot, in whatever order it is listed', () => {
    const random = seeded(seed + 1_000);
    const shuffled = {
      candidates: random.shuffle(given.candidates),
      queued: random.shuffle(given.queued),
      running: random.shuffle(given.running),
      served: random.shuffle(given.served),
    };
    expect(plan(structuredClone(given))).toEqual(actions);
    expect(plan(shuffled)).toEqual(actions);
  });
});

describe.each(seeds(100))('among callers of whom each asks for one type (seed %i)', seed => {
  test('nobody gets a slot before one of the same priority who has fewer where its task could go', () => {
    const random = seeded(seed);
    const candidates = TYPES.map((type, index) =>
      agent(`n${index}-one 0/${random.between(1, 5)} type=${type}`),
    );
    const callers = [...CALLERS, 'dan', 'eve'] as const;
    const asks = new Map(
      callers.map(caller => [caller, maybe(random, 0.75, () => `type=${random.pick(TYPES)}`)]),
    );
    const given: Snapshot = {
      candidates,
      queued: Array.from({ length: 40 }, (_, index) => {
        const caller = random.pick(callers);
        return task(
          `t${index} caller=${caller} priority=${random.between(0, 1)} ${asks.get(caller) ?? ''}`,
          index,
        );
      }),
      running: callers.flatMap(caller =>
        Array.from({ length: random.between(0, 6) }, () => runsOn(caller, `n${random.between(0, 2)}-one`)),
      ),
      served: [],
    };
    const running = [...given.running];
    const shareOf = (one: QueuedTask): number =>
      running.filter(({ caller, node }) => {
        const there = candidates.find(candidate => candidate.node === node);
        const { agent_type } = one.options;
        return caller === one.caller && (agent_type === undefined || agent_type === there?.status.agent_type);
      }).length;
    const actions = plan(given);
    const waiting = actions.filter(({ action }) => action === 'wait').map(action => find(given, action));
    for (const [index, action] of actions.entries()) {
      if (action.action !== 'assign') continue;
      const one = find(given, action);
      const now = after(given, actions.slice(0, index));
      const chosen = now.find(candidate => slot(candidate) === slot(action.candidate));
      for (const other of waiting) {
        if (priorityOf(other) !== priorityOf(one) || chosen === undefined) continue;
        if (whyNot(other, chosen, now) === undefined)
          expect(shareOf(one)).toBeLessThanOrEqual(shareOf(other));
      }
      running.push({
        caller: one.caller,
        node: action.candidate.node,
        agent_id: action.candidate.status.agent_id,
      });
    }
  });
});

describe('a caller with three long tasks on agents that its next one does not ask for', () => {
  test.each([
    ['by its type', 'type=ollama'],
    ['by its chain, past a member that cools down', 'type=cli_claude fallback=ollama'],
    ['as the first of a chain', 'type=ollama fallback=cli_gemini'],
    ['for its session', 'session=s with=n1-llama'],
    ['after a failure', 'attempt=2 tried=n0-gemini:endpoint_unreachable type=cli_gemini fallback=ollama'],
  ])('comes before one who has fewer in all, but more where both could go: %s', (_how, asks) => {
    const given: Snapshot = {
      candidates: [
        agent('n0-gemini 3/3 type=cli_gemini'),
        agent('n1-llama 1/2 type=ollama'),
        agent('n2-claude 0/1 type=cli_claude cooling=90000'),
      ],
      queued: [
        ...[1, 2, 3, 4, 5].map(index => task(`bob-${index} caller=bob type=ollama`, index)),
        task(`ann caller=ann ${asks}`, 6),
      ],
      running: [...[1, 2, 3].map(() => runsOn('ann', 'n0-gemini')), runsOn('bob', 'n1-llama')],
      served: [],
    };
    const placed = plan(given).filter(({ action }) => action === 'assign');
    expect(placed.map(({ task_id }) => task_id)).toEqual(['ann']);
  });
});

describe.each(seeds(5))('among callers who all never stop submitting, and run long (seed %i)', seed => {
  const TURNS = 400;
  const LONGEST_RUN = 10;
  /** Who always has five of these queued. */
  const STREAMS = [
    ['ann', 'type=cli_gemini'],
    ['ann', 'type=cli_claude'],
    ['bob', 'type=ollama'],
    ['bob', 'type=cli_claude'],
    ['eve', 'type=cli_gemini'],
    ['eve', 'type=ollama'],
    ['dan', ''],
  ] as const;

  test.each(['', 'type=ollama', 'fallback=cli_gemini,ollama', 'fallback=ollama,cli_claude'])(
    'a task that asks for "%s" is placed in the end, again and again',
    asks => {
      const random = seeded(seed);
      const agents = [
        agent('a-one 0/3 type=cli_gemini'),
        agent('b-one 0/1 type=cli_claude'),
        agent('c-one 0/2 type=ollama'),
      ];
      let queued: QueuedTask[] = [];
      const served = new Map<string, Served>();
      let running: (Running & { readonly until: number })[] = [];
      let seq = 0;
      let since = 0;
      const arrive = (name: string, caller: string, words: string): void => {
        seq += 1;
        queued.push(task(`${name}-${seq} caller=${caller} ${words}`, seq));
      };
      arrive('single', 'ann', asks);
      for (let turn = 0; turn < TURNS; turn += 1) {
        for (const [index, [caller, words]] of STREAMS.entries()) {
          const has = queued.filter(({ task_id }) => task_id.startsWith(`s${index}-`)).length;
          for (let more = has; more < 5; more += 1) arrive(`s${index}`, caller, words);
        }
        running = running.filter(({ until }) => until > turn);
        const candidates = agents.map(one => ({
          ...one,
          used: running.filter(({ agent_id }) => agent_id === one.status.agent_id).length,
        }));
        const snapshot = { queued, candidates, running, served: [...served.values()] };
        for (const action of plan(snapshot)) {
          if (action.action !== 'assign') continue;
          const { caller, task_id } = find(snapshot, action);
          const until = turn + random.between(1, LONGEST_RUN);
          const given = runsOn(caller, action.candidate.status.agent_id);
          running.push({ ...given, until });
          seq += 1;
          served.set(`${caller} ${given.agent_id}`, { ...given, seq });
          queued = queued.filter(one => one.task_id !== task_id);
          if (!task_id.startsWith('single')) continue;
          since = turn;
          arrive('single', 'ann', asks);
        }
        expect(turn - since, `at turn ${turn}`).toBeLessThanOrEqual(10 * LONGEST_RUN);
      }
    },
  );
});

describe.each(seeds(50))('among agents that are alike (seed %i)', seed => {
  test('tasks are spread so that each time the emptiest one is taken', () => {
    const random = seeded(seed);
    const candidates = [1, 2, 3, 4].map(number => agent(`n${number}-one 0/${random.between(1, 6)}`));
    const queued = Array.from({ length: 20 }, (_, index) => task(`t${index}`, index));
    const given = { candidates, queued, running: [], served: [] };
    const actions = plan(given);
    const shareOf = ({ used, status }: Candidate): number => 1 - used / status.max_concurrent;
    for (const [index, action] of actions.entries()) {
      if (action.action !== 'assign') continue;
      const shares = after(given, actions.slice(0, index)).map(shareOf);
      expect(shareOf(action.candidate)).toBe(Math.max(...shares));
    }
  });
});

describe.each(seeds(50))('beside a caller who never stops submitting (seed %i)', seed => {
  const TURNS = 120;
  const LONGEST_RUN = 3;
  /** Slots change hands after a run, and each of the others may be served before. */
  const BOUND = 4 * LONGEST_RUN;

  test('every task of the others is placed within a bounded number of turns', () => {
    const random = seeded(seed);
    const agents = [
      agent('a-one 0/2 type=cli_gemini warm priority=1'),
      agent('b-one 0/1 type=cli_claude'),
      agent('c-one 0/2 type=ollama'),
    ];
    const words = (): string => maybe(random, 0.5, () => `type=${random.pick(TYPES)}`);
    let queued: QueuedTask[] = [];
    const running: { caller: string; agent_id: string; until: number }[] = [];
    const since = new Map<string, number>();
    const served = new Map<string, Served>();
    let seq = 0;
    const arrive = (caller: string, turn: number): void => {
      seq += 1;
      queued.push(task(`t${seq} caller=${caller} ${words()}`, seq));
      if (caller !== 'greedy') since.set(`t${seq}`, turn);
    };
    for (let index = 0; index < 200; index += 1) arrive('greedy', 0);

    for (let turn = 0; turn < TURNS; turn += 1) {
      for (let index = 0; index < 5; index += 1) arrive('greedy', turn);
      for (const caller of ['bob', 'cal']) if (random.chance(0.15)) arrive(caller, turn);
      for (const done of running.filter(({ until }) => until <= turn))
        running.splice(running.indexOf(done), 1);
      const candidates = agents.map(one => ({
        ...one,
        used: running.filter(({ agent_id }) => agent_id === one.status.agent_id).length,
      }));
      const snapshot = {
        queued,
        candidates,
        running: running.map(({ caller, agent_id }) => runsOn(caller, agent_id)),
        served: [...served.values()],
      };
      for (const action of plan(snapshot)) {
        if (action.action !== 'assign') continue;
        const { caller, task_id } = find(snapshot, action);
        const until = turn + random.between(1, LONGEST_RUN);
        const given = runsOn(caller, action.candidate.status.agent_id);
        running.push({ ...given, until });
        seq += 1;
        served.set(`${caller} ${given.agent_id}`, { ...given, seq });
        queued = queued.filter(one => one.task_id !== task_id);
        since.delete(task_id);
      }
      for (const [task_id, began] of since)
        expect(turn - began, `${task_id} waits at turn ${turn}`).toBeLessThanOrEqual(BOUND);
    }
  });
});

test('a chain begins with what the task names, and comes from the policy when it brings none', () => {
  const policy = { cli_gemini: ['cli_qwen', 'ollama'], default: ['cli_gemini', 'ollama'] };
  expect(chainOf({}, {})).toBeUndefined();
  expect(chainOf({}, policy)).toEqual(['cli_gemini', 'ollama']);
  expect(chainOf({ agent_type: 'cli_gemini' }, policy)).toEqual(['cli_gemini', 'cli_qwen', 'ollama']);
  expect(chainOf({ agent_type: 'cli_qwen' }, policy)).toBeUndefined();
  expect(chainOf({ agent_id: 'walnut-gemini' }, policy)).toBeUndefined();
  expect(chainOf({ agent_id: 'walnut-gemini', fallback: ['ollama', 'walnut-gemini'] }, policy)).toEqual([
    'walnut-gemini',
    'ollama',
  ]);
  expect(chainOf({ agent_id: 'constructor' }, policy)).toBeUndefined();
});
