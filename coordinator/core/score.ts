/**
 * Which of the agents that can take a task gets it: the first criterion in which two differ decides, so that every
 * choice can be told in one clause. The order is the reason for each place:
 *
 * What the task itself binds it to comes first: its conversation, its chain, and where it has not failed yet. Then what
 * the operator says (priority), since all below are only guesses. An agent that mostly fails loses to one that works,
 * however fast. A model or a tool that is loaded saves seconds to minutes, more than any crowding costs; so it stands
 * before the free share, which spreads tasks over equals and changes with each task placed. The latency of the past
 * follows: it was measured under whatever load there was. Free GPU memory matters only to a model that must be loaded.
 *
 * Measured things are compared in coarse bands: a little noise must not turn a choice around.
 */
import type { AgentStatus } from '../../protocol/agent.ts';
import { hasModel } from '../../protocol/model-name.ts';
import type { Demand } from './placement.ts';

/** An agent before one task. */
export interface Standing {
  readonly node: string;
  readonly status: AgentStatus;
  readonly used: number;
  readonly demand: Demand;
  /** It has the conversation that the task belongs to. */
  readonly in_session: boolean;
  /** In the task's fallback chain; 0 without one. */
  readonly position: number;
  readonly regard: Regard;
}

/**
 * What an agent is to a task that has failed before. `tried`: an attempt did not succeed there. `given_up`: as often as
 * is enough to pass on in the chain. `unfit`: it said that it will never do.
 */
export type Regard = 'fresh' | 'tried' | 'given_up' | 'unfit';

interface Criterion {
  /** Larger is better. */
  readonly of: (standing: Standing) => number;
  /** Why the first of two came before the second. */
  readonly says: (better: Standing, worse: Standing) => string;
}

const GIB = 2 ** 30;

export const CRITERIA: readonly Criterion[] = [
  {
    of: ({ in_session }) => Number(in_session),
    says: () => 'the one its session is with over others',
  },
  {
    of: ({ regard }) => -Number(regard === 'given_up'),
    says: () => 'still trusted over given up after failed attempts of the task',
  },
  {
    of: ({ position }) => -position,
    says: (better, worse) => `${memberOf(better)} before ${memberOf(worse)} in the fallback chain`,
  },
  {
    of: ({ regard }) => -Number(regard === 'tried'),
    says: () => 'untried over tried by the task before',
  },
  {
    of: ({ status }) => status.priority,
    says: (better, worse) => `priority ${better.status.priority} over ${worse.status.priority}`,
  },
  {
    of: ({ status }) => successBand(status),
    says: (better, worse) => `recent success ${successOf(better.status)} over ${successOf(worse.status)}`,
  },
  {
    of: standing => -Number(mustLoad(standing)),
    says: () => 'model loaded over one to be loaded',
  },
  {
    of: ({ status }) => Number(status.warm),
    says: () => 'warm over cold',
  },
  {
    of: ({ status, used }) => (status.max_concurrent - used) / status.max_concurrent,
    says: (better, worse) => `${freeOf(better)} slots free over ${freeOf(worse)}`,
  },
  {
    of: ({ status }) => -latencyBand(status),
    says: (better, worse) => `first chunk ${latencyOf(better.status)} over ${latencyOf(worse.status)}`,
  },
  {
    of: standing => (mustLoad(standing) ? freeGib(standing.status) : 0),
    says: (better, worse) =>
      `${freeGib(better.status)} GiB of GPU memory free over ${freeGib(worse.status)} GiB`,
  },
];

export type Keys = readonly number[];

export const keysOf = (standing: Standing): number[] => CRITERIA.map(({ of }) => of(standing));

export function comesBefore(a: Standing, a_keys: Keys, b: Standing, b_keys: Keys): boolean {
  for (let index = 0; index < CRITERIA.length; index += 1) {
    const difference = (a_keys[index] ?? 0) - (b_keys[index] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  // The names make the choice the same for the same snapshot.
  if (a.status.agent_id !== b.status.agent_id) return a.status.agent_id < b.status.agent_id;
  return a.node < b.node;
}

export const compareStandings = (a: Standing, b: Standing): number =>
  comesBefore(a, keysOf(a), b, keysOf(b)) ? -1 : 1;

/** Why `better` came before `worse`, in one clause. */
export function whyBefore(better: Standing, worse: Standing): string {
  const deciding = CRITERIA.find(({ of }) => of(better) !== of(worse));
  return deciding === undefined ? 'first by name' : deciding.says(better, worse);
}

/** So few runs say nothing. */
const MIN_RUNS = 5;
const GOOD_SHARE = 0.9;
const POOR_SHARE = 0.5;

/** An agent that nothing is known of counts as good: else it would never be tried. */
const successBand = ({ recent }: AgentStatus): number => {
  if (recent === undefined || recent.runs < MIN_RUNS) return 2;
  const share = 1 - recent.failed / recent.runs;
  return share >= GOOD_SHARE ? 2 : share >= POOR_SHARE ? 1 : 0;
};

/** Most of what it ran lately has failed. */
export const isPoor = (status: AgentStatus): boolean => successBand(status) === 0;

const successOf = ({ recent }: AgentStatus): string =>
  recent === undefined || recent.runs < MIN_RUNS
    ? 'not known'
    : `${Math.round(100 * (1 - recent.failed / recent.runs))} %`;

/** Only where that can be known: a CLI loads no model that its node could see. */
const mustLoad = ({ status, demand }: Standing): boolean => {
  const wanted = demand.options.model ?? status.model;
  return (
    status.loaded_models !== undefined &&
    wanted !== undefined &&
    !hasModel(status, status.loaded_models, wanted)
  );
};

const SWIFT_MS = 500;
const BAND_FACTOR = 4;

/** Half a second, two, eight, half a minute, two minutes; what is not known counts as swift, else it would stay unknown. */
const latencyBand = ({ recent }: AgentStatus): number => {
  let band = 0;
  for (let limit_ms = SWIFT_MS; (recent?.first_chunk_ms ?? 0) > limit_ms; limit_ms *= BAND_FACTOR) band += 1;
  return band;
};

const latencyOf = ({ recent }: AgentStatus): string =>
  recent?.first_chunk_ms === undefined
    ? 'after a time not known'
    : `after ${Math.round(recent.first_chunk_ms)} ms`;

const freeGib = ({ gpu_memory }: AgentStatus): number => Math.floor((gpu_memory?.free_bytes ?? 0) / GIB);

const freeOf = ({ status, used }: Standing): string =>
  `${status.max_concurrent - used} of ${status.max_concurrent}`;

const memberOf = ({ demand, position }: Standing): string => demand.chain?.[position] ?? 'the one named';
