/**
 * Which agents a coordination asks: pure, and the same for the same snapshot.
 *
 * One pick after the other, each the best of what is left: a combination of specialty and type that is not there yet,
 * a specialty that the requirements speak of, another type and specialty than those there are, and only then what a
 * single task would go by. A generalist is always among several. An agent that an id is of on several nodes is one.
 */
import { CcliError } from '../../protocol/errors.ts';
import type { AgentView } from '../../protocol/operation.ts';
import { isBusy, type Unusable, unusable } from './eligibility.ts';
import { isGeneral, type Relevance, relevanceOf, type Specialty } from './relevance.ts';

export interface Choice {
  readonly agent_id: string;
  /** Absent when the agent is not in the fleet any more. */
  readonly node?: string;
  readonly agent_type?: AgentView['agent_type'];
  readonly specialty: Specialty;
  readonly why: string;
}

export interface Wish {
  readonly requirements: string;
  /** Bytes of the longest prompt that is made of the requirements. */
  readonly prompt_bytes: number;
  /** Ids to ask, in order; chosen when absent. */
  readonly named: readonly string[] | undefined;
  readonly max_agents: number | undefined;
  /** Asked already, under the same coordination: these count, and are not chosen again. */
  readonly taken: readonly Choice[];
}

export interface Selection {
  /** Without those taken already. */
  readonly choices: readonly Choice[];
  readonly notes: readonly string[];
  /** Somebody named an agent that cannot be asked. */
  readonly incomplete: boolean;
}

export const DEFAULT_MAX_AGENTS = 3;

/**
 * @throws CcliError `agent_unknown` for a name that leads nowhere; `no_agents` when there is none at all; the reason of
 *   the first one when none can be asked.
 */
export function chooseAgents(agents: readonly AgentView[], wish: Wish): Selection {
  if (agents.length === 0 && wish.taken.length === 0) throw new CcliError('no_agents');
  return wish.named === undefined ? chosen(agents, wish) : named(agents, wish.named, wish);
}

/** The best of those that may be asked for an id, and why none may. */
interface Known {
  readonly agent: AgentView;
  readonly refusal: Unusable | undefined;
}

function byId(agents: readonly AgentView[], prompt_bytes: number): Map<string, Known> {
  const known = new Map<string, Known>();
  for (const agent of agents) {
    const next = { agent, refusal: unusable(agent, prompt_bytes) };
    const before = known.get(agent.agent_id);
    if (before === undefined || compareKnown(next, before) < 0) known.set(agent.agent_id, next);
  }
  return known;
}

const compareKnown = (a: Known, b: Known): number =>
  Number(a.refusal !== undefined) - Number(b.refusal !== undefined) || compareAgents(a.agent, b.agent);

function named(agents: readonly AgentView[], names: readonly string[], wish: Wish): Selection {
  const known = byId(agents, wish.prompt_bytes);
  const notes: string[] = [];
  const distinct = [...new Set(names)];
  for (const name of distinct) {
    if (names.filter(other => other === name).length > 1)
      notes.push(`${name} was named more than once; it is asked once.`);
  }
  const unknown = distinct.filter(name => !known.has(name) && !isTaken(wish, name));
  if (unknown.length > 0) throw agentUnknown(unknown, [...known.keys()]);
  const open = distinct.filter(name => !isTaken(wish, name)).flatMap(name => known.get(name) ?? []);
  const refused = open.flatMap(({ agent, refusal }) =>
    refusal === undefined ? [] : [{ agent_id: agent.agent_id, ...refusal }],
  );
  for (const { agent_id, why } of refused) notes.push(`${agent_id} was not asked: it ${why}.`);
  const usable = open.filter(({ refusal }) => refusal === undefined).map(({ agent }) => agent);
  if (usable.length === 0 && wish.taken.length === 0)
    throw noneUsable('None of the agents named can be asked', refused);
  const room = (wish.max_agents ?? distinct.length) - wish.taken.length;
  const left_out = usable.slice(Math.max(0, room));
  for (const { agent_id } of left_out)
    notes.push(`${agent_id} was not asked: ${wish.max_agents ?? 0} is the most to ask.`);
  const relevance = relevanceOf(wish.requirements);
  const choices = usable.slice(0, Math.max(0, room)).map(agent => {
    const specialty = bestSpecialty(agent, relevance);
    return choiceOf(agent, specialty, `it was named; ${reasonFor(specialty, relevance)}${state(agent)}`);
  });
  return { choices, notes, incomplete: refused.length > 0 };
}

const isTaken = ({ taken }: Wish, agent_id: string): boolean =>
  taken.some(choice => choice.agent_id === agent_id);

interface Option {
  readonly agent: AgentView;
  readonly specialty: Specialty;
  readonly hits: number;
}

function chosen(agents: readonly AgentView[], wish: Wish): Selection {
  const known = [...byId(agents, wish.prompt_bytes).values()].filter(
    ({ agent }) => !isTaken(wish, agent.agent_id),
  );
  const usable = known.filter(({ refusal }) => refusal === undefined).map(({ agent }) => agent);
  if (usable.length === 0 && wish.taken.length === 0) {
    throw noneUsable(
      'No agent can be asked',
      known.flatMap(({ agent, refusal }) =>
        refusal === undefined ? [] : [{ agent_id: agent.agent_id, ...refusal }],
      ),
    );
  }
  const relevance = relevanceOf(wish.requirements);
  const options = usable.flatMap(agent =>
    specialtiesOf(agent).map(specialty => ({
      agent,
      specialty,
      hits: relevance.get(specialty)?.length ?? 0,
    })),
  );
  const max = wish.max_agents ?? DEFAULT_MAX_AGENTS;
  const choices: Choice[] = [];
  while (wish.taken.length + choices.length < max) {
    const there = [...wish.taken, ...choices];
    const left = options.filter(({ agent }) => choices.every(({ agent_id }) => agent_id !== agent.agent_id));
    const best = pick(left, there, max);
    if (best === undefined) break;
    const { agent, specialty } = best;
    choices.push(choiceOf(agent, specialty, `${whyPicked(best, there, relevance)}${state(agent)}`));
  }
  return { choices, notes: [], incomplete: false };
}

/** Several answers are what a coordination is for: below this, an agent of any specialty is better than none. */
const FEWEST = 2;

function pick(left: readonly Option[], there: readonly Choice[], max: number): Option | undefined {
  const suits = ({ specialty, hits }: Option): boolean => hits > 0 || isGeneral(specialty);
  const generalists = left.filter(({ specialty }) => isGeneral(specialty));
  const lacksOne = !there.some(({ specialty }) => isGeneral(specialty));
  if (lacksOne && max > 1 && there.length === max - 1 && generalists.length > 0)
    return best(generalists, there);
  const suitable = left.filter(suits);
  if (suitable.length > 0 || there.length >= FEWEST) return best(suitable, there);
  return best(left, there);
}

function best(options: readonly Option[], there: readonly Choice[]): Option | undefined {
  const repeats = ({ agent, specialty }: Option): boolean =>
    there.some(choice => choice.specialty === specialty && choice.agent_type === agent.agent_type);
  const [first] = [...options].sort(
    (a, b) =>
      Number(repeats(a)) - Number(repeats(b)) ||
      novelty(b, there) - novelty(a, there) ||
      b.hits - a.hits ||
      compareAgents(a.agent, b.agent) ||
      specialtiesOf(a.agent).indexOf(a.specialty) - specialtiesOf(b.agent).indexOf(b.specialty),
  );
  return first;
}

const novelty = ({ agent, specialty }: Option, there: readonly Choice[]): number =>
  Number(there.every(choice => choice.agent_type !== agent.agent_type)) +
  Number(there.every(choice => choice.specialty !== specialty));

const specialtiesOf = ({ specialty }: AgentView): readonly Specialty[] =>
  specialty.length === 0 ? ['general_ai'] : specialty;

function bestSpecialty(agent: AgentView, relevance: Relevance): Specialty {
  const hits = (specialty: Specialty): number => relevance.get(specialty)?.length ?? 0;
  const [first] = [...specialtiesOf(agent)].sort(
    (a, b) => hits(b) - hits(a) || Number(isGeneral(b)) - Number(isGeneral(a)),
  );
  return first ?? 'general_ai';
}

/** Free before busy before starting; then what the placement of a single task goes by. */
export function compareAgents(a: AgentView, b: AgentView): number {
  return (
    readiness(a) - readiness(b) ||
    b.priority - a.priority ||
    Number(b.warm) - Number(a.warm) ||
    freeShare(b) - freeShare(a) ||
    byName(a.agent_id, b.agent_id) ||
    byName(a.node, b.node)
  );
}

const readiness = (agent: AgentView): number => (agent.available ? 0 : agent.health === 'starting' ? 2 : 1);
const freeShare = ({ running, max_concurrent }: AgentView): number =>
  (max_concurrent - running) / Math.max(1, max_concurrent);
const byName = (a: string, b: string): number => Number(a > b) - Number(a < b);

const choiceOf = ({ agent_id, node, agent_type }: AgentView, specialty: Specialty, why: string): Choice => ({
  agent_id,
  node,
  agent_type,
  specialty,
  why,
});

const SHOWN_WORDS = 4;

function reasonFor(specialty: Specialty, relevance: Relevance): string {
  const words = relevance.get(specialty) ?? [];
  if (words.length > 0) return `the requirements speak of ${words.slice(0, SHOWN_WORDS).join(', ')}`;
  return isGeneral(specialty) ? 'it fits any requirements' : `nothing asks for ${specialty} in particular`;
}

function whyPicked({ agent, specialty }: Option, there: readonly Choice[], relevance: Relevance): string {
  const another = there.length > 0 && there.every(choice => choice.agent_type !== agent.agent_type);
  return `${reasonFor(specialty, relevance)}${another ? `; the first of type ${agent.agent_type}` : ''}`;
}

const state = (agent: AgentView): string => {
  const now = agent.available
    ? 'free'
    : agent.health === 'starting'
      ? 'starting'
      : isBusy(agent)
        ? 'busy'
        : 'ready';
  return `; priority ${agent.priority}, ${now}`;
};

const MOST_LISTED = 16;

const agentUnknown = (unknown: readonly string[], there: readonly string[]): CcliError => {
  const names = unknown.map(name => `"${name}"`).join(', ');
  const listed = [...there].sort().slice(0, MOST_LISTED).join(', ');
  const more = there.length > MOST_LISTED ? ', …' : '';
  const says =
    there.length === 0 ? 'there are none' : `there ${there.length === 1 ? 'is' : 'are'} ${listed}${more}`;
  return new CcliError(
    'agent_unknown',
    unknown.length === 1
      ? `No agent is called ${names}; ${says}.`
      : `No agents are called ${names}; ${says}.`,
  );
};

function noneUsable(what: string, refused: readonly (Unusable & { readonly agent_id: string })[]): CcliError {
  const reasons = refused
    .slice(0, MOST_LISTED)
    .map(({ agent_id, why }) => `${agent_id} ${why}`)
    .join('; ');
  return new CcliError(
    refused[0]?.code ?? 'no_agent_fits',
    `${what}: ${reasons}. Look at the agents there are.`,
  );
}
