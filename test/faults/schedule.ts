/** What is to happen and when: the same seed gives the same storm. */
import type { Random } from '../support/random.ts';
import {
  COORDINATORS,
  type Lane,
  NODES,
  type RunKind,
  type Target,
  type ToolFault,
  WORLD_FAULTS,
  type WorldFault,
} from './kinds.ts';
import type { Script } from './script.ts';

export interface PlannedFault {
  readonly kind: WorldFault;
  readonly target: Target;
  readonly at_ms: number;
  /** How long it lasts; of a kill, how long until the restart. */
  readonly lasts_ms: number;
  /** Whether what was under way is lost at the end, or arrives late. */
  readonly end: 'resume' | 'reset';
  /** The clock that a stepped process has from now on, against the true one. */
  readonly clock_offset_ms: number;
}

export interface PlannedTask {
  readonly script: Script;
  readonly lane: Lane;
  readonly at_ms: number;
  /** How it is named at the submit. */
  readonly named_by: 'task_id' | 'idempotency_key';
  readonly ballast_bytes: number;
  /** Submitted twice at the same moment. */
  readonly twice: boolean;
  readonly cancel_after_ms: number | undefined;
  readonly max_attempts: number | undefined;
}

const HOUR_MS = 3_600_000;
const KIB = 1024;
const MIB = 1024 * KIB;

const RANGES: Readonly<Record<WorldFault, readonly [number, number]>> = {
  coordinator_killed: [200, 1_000],
  coordinator_paused: [500, 6_000],
  coordinator_cut_off: [500, 6_000],
  node_killed: [200, 1_000],
  node_paused: [500, 7_000],
  node_cut_off: [500, 7_000],
  nats_killed: [50, 500],
  nats_restarted: [50, 500],
  nats_paused: [300, 2_500],
  acks_lost: [500, 4_000],
  clock_stepped: [50, 1_500],
};

function targetOf(kind: WorldFault, random: Random): Target {
  if (kind.startsWith('coordinator')) return random.pick(COORDINATORS);
  if (kind.startsWith('node')) return random.pick(NODES);
  if (kind.startsWith('nats')) return 'nats';
  return random.pick([...COORDINATORS, ...NODES]);
}

/** `count` of each kind, each at a random moment of its own share of the storm. */
export function planFaults(
  random: Random,
  { count, storm_ms }: { readonly count: number; readonly storm_ms: number },
): PlannedFault[] {
  const share = storm_ms / count;
  return WORLD_FAULTS.flatMap(kind =>
    Array.from({ length: count }, (_, index): PlannedFault => {
      const [shortest, longest] = RANGES[kind];
      return {
        kind,
        target: targetOf(kind, random),
        at_ms: Math.round((index + random.next()) * share),
        lasts_ms: random.between(shortest, longest),
        end: random.pick(['resume', 'reset']),
        clock_offset_ms: random.pick([-HOUR_MS, 0, HOUR_MS]),
      };
    }),
  ).sort((a, b) => a.at_ms - b.at_ms);
}

interface TaskPlan {
  readonly tasks: number;
  readonly storm_ms: number;
  /** How many tasks meet each fault of their tool in their first run. */
  readonly faulty: number;
}

/** Of all tasks. The cold gemini takes seconds of the machine for each. */
const GEMINI_SHARE = 0.13;
const COLD_SHARE = 0.015;
const ACP_SHARE = 0.15;

const FAULTY: Readonly<Record<ToolFault, { readonly lane: Lane; readonly run: RunKind }>> = {
  tool_crashed: { lane: 'plain', run: 'crash' },
  tool_hung: { lane: 'plain', run: 'hang' },
  tool_empty: { lane: 'plain', run: 'empty' },
  tool_garbled: { lane: 'plain', run: 'garbage' },
  acp_crashed: { lane: 'acp', run: 'crash' },
  acp_hung: { lane: 'acp', run: 'hang' },
  acp_empty: { lane: 'acp', run: 'empty' },
  acp_garbled: { lane: 'acp', run: 'garbage' },
  model_429: { lane: 'gemini_warm', run: 'limited' },
  model_503: { lane: 'gemini_warm', run: 'overloaded' },
};

export function planTasks(random: Random, { tasks, storm_ms, faulty }: TaskPlan): PlannedTask[] {
  const lanes = random.shuffle(
    Array.from({ length: tasks }, (_, index): Lane => {
      const share = index / tasks;
      if (share < COLD_SHARE) return 'gemini_cold';
      if (share < GEMINI_SHARE) return 'gemini_warm';
      return share < GEMINI_SHARE + ACP_SHARE ? 'acp' : 'plain';
    }),
  );
  const first = firstRuns(random, lanes, faulty);
  return lanes.map((lane, n) => planTask(random, { n, lane, run: first.get(n), tasks, storm_ms }));
}

/** Which tasks fail in their first run: as many of each kind, taken from all over the storm. */
function firstRuns(random: Random, lanes: readonly Lane[], faulty: number): Map<number, RunKind> {
  const first = new Map<number, RunKind>();
  for (const { lane, run } of Object.values(FAULTY)) {
    const free = lanes.flatMap((one, n) => (one === lane && !first.has(n) ? [n] : []));
    const share = free.length / faulty;
    for (let index = 0; index < faulty; index += 1) {
      const n = free[Math.floor(index * share) + random.between(0, Math.max(0, Math.floor(share) - 1))];
      if (n !== undefined) first.set(n, run);
    }
  }
  return first;
}

interface OneTask {
  readonly n: number;
  readonly lane: Lane;
  readonly run: RunKind | undefined;
  readonly tasks: number;
  readonly storm_ms: number;
}

function planTask(random: Random, { n, lane, run, tasks, storm_ms }: OneTask): PlannedTask {
  const gemini = lane === 'gemini_warm' || lane === 'gemini_cold';
  const runs = run === undefined ? [] : Array.from({ length: random.chance(0.15) ? 8 : 1 }, () => run);
  const long_prompt = lane === 'plain' && random.chance(0.01);
  const max_attempts = random.chance(0.05) ? 1 : random.chance(0.6) ? 4 : undefined;
  return {
    script: { n, runs, bytes: answerBytes(random, gemini), work_ms: gemini ? 0 : workMs(random) },
    lane,
    // The last tenth of the storm still has work to disturb, and no new work comes in.
    at_ms: Math.round(((n + random.next()) / tasks) * storm_ms * 0.9),
    named_by: long_prompt || random.chance(0.2) ? 'task_id' : 'idempotency_key',
    ballast_bytes: long_prompt ? random.between(270 * KIB, 600 * KIB) : 0,
    twice: random.chance(0.05),
    cancel_after_ms: random.chance(0.05) ? random.between(0, 3_000) : undefined,
    max_attempts,
  };
}

function answerBytes(random: Random, gemini: boolean): number {
  const size = random.next();
  if (size < 0.02) return random.between(1, 4);
  if (size < 0.7 || gemini) return random.between(5, 4 * KIB);
  if (size < 0.93) return random.between(4 * KIB, 100 * KIB);
  return size < 0.99 ? random.between(100 * KIB, 700 * KIB) : random.between(1 * MIB, 4 * MIB);
}

const workMs = (random: Random): number =>
  random.chance(0.5) ? random.between(0, 200) : random.between(200, 2_000);
