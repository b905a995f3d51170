/** Whether a task may be accepted as the fleet stands, and why not, in the caller's terms. */
import { AgentTypeSchema } from '../../protocol/agent.ts';
import { ERRORS, type ErrorBody } from '../../protocol/errors.ts';
import { describeChain, positionOf } from './chain.ts';
import { type Candidate, type Demand, fitOf, nearestMiss, why } from './placement.ts';

/** `undecided`: all depends on an agent that is still starting. */
export type Assessment =
  | { readonly verdict: 'accept' | 'undecided' }
  | { readonly verdict: 'refuse'; readonly error: ErrorBody };

/** Refuses what cannot be done by any agent as the fleet stands, so that a caller learns it before anything is stored. */
export function assess(demand: Demand, candidates: readonly Candidate[]): Assessment {
  const fits = candidates.map(candidate => fitOf(candidate, demand));
  const possible = fits.flatMap(fit => (fit.fit === 'free' || fit.fit === 'misfit' ? [] : [fit]));
  if (fits.some(({ fit }) => fit === 'free')) return { verdict: 'accept' };
  if (possible.length === 0) return { verdict: 'refuse', error: noFit(demand, candidates) };
  const usable = possible.filter(({ fit }) => fit !== 'broken');
  // What is wrong with an agent that may work tells more than that another one may not.
  const first = possible.find(({ why }) => why.code !== 'agent_not_registered') ?? possible[0];
  if (first !== undefined && usable.length === 0) return { verdict: 'refuse', error: first.why };
  const starting = usable.every(({ why }) => why.code === 'agent_starting');
  return { verdict: starting ? 'undecided' : 'accept' };
}

/** The narrowest thing asked for that nobody offers. */
export function noFit(demand: Demand, candidates: readonly Candidate[]): ErrorBody {
  if (candidates.length === 0) return why('no_agents', ERRORS.no_agents.says);
  const unknown =
    demand.chain === undefined ? unknownName(demand, candidates) : unknownChain(demand, candidates);
  const statuses = candidates.map(({ status }) => status);
  return unknown ?? nearestMiss(demand, statuses) ?? why('no_agent_fits', ERRORS.no_agent_fits.says);
}

function unknownName({ options }: Demand, candidates: readonly Candidate[]): ErrorBody | undefined {
  const { agent_id, agent_type } = options;
  const ids = idsOf(candidates);
  if (agent_id !== undefined && !ids.includes(agent_id))
    return why('agent_unknown', `No agent is called "${agent_id}"; there ${list(ids)}.`);
  const types = typesOf(candidates);
  if (agent_type !== undefined && !types.includes(agent_type))
    return why('agent_type_unknown', `No agent is of type ${agent_type}; there ${list(types)}.`);
  return undefined;
}

/** A member that is not there is passed over; only when none of them is, the task has nowhere to go. */
function unknownChain(
  { chain = [], options }: Demand,
  candidates: readonly Candidate[],
): ErrorBody | undefined {
  if (candidates.some(({ status }) => positionOf(status, chain, options) !== undefined)) return undefined;
  const only_types = chain.every(name => AgentTypeSchema.safeParse(name).success);
  return only_types
    ? why(
        'agent_type_unknown',
        `No agent is of a type in the chain ${describeChain(chain)}; there ${list(typesOf(candidates))}.`,
      )
    : why(
        'agent_unknown',
        `No agent is in the chain ${describeChain(chain)}; there ${list([...typesOf(candidates), ...idsOf(candidates)])}.`,
      );
}

const idsOf = (candidates: readonly Candidate[]): string[] => candidates.map(({ status }) => status.agent_id);

const typesOf = (candidates: readonly Candidate[]): string[] => [
  ...new Set(candidates.map(({ status }) => status.agent_type)),
];

const list = (items: readonly string[]): string => {
  const shown = [...items].sort().slice(0, 8).join(', ');
  return `${items.length === 1 ? 'is' : 'are'} ${shown}${items.length > 8 ? ', …' : ''}`;
};
