/** When a task passes on in its fallback chain, and why it did. */
import { ERRORS, type ErrorCode } from '../../protocol/errors.ts';
import { type Attempt, DEFAULT_MAX_ATTEMPTS } from '../../protocol/task.ts';
import { positionOf } from './chain.ts';
import { type Candidate, type Demand, type Fit, fitOf } from './placement.ts';
import { isSetupFailure } from './retry.ts';
import type { Regard } from './score.ts';

/** An earlier attempt of a task that is queued again. */
export interface Tried {
  readonly attempt: number;
  readonly node: string;
  readonly agent_id: string;
  /** Of the agent, in the task's chain. */
  readonly position: number;
  readonly code: ErrorCode | undefined;
  /** Nothing ran. */
  readonly refused: boolean;
}

export const triedOf = ({ attempt, node, agent_id, fallback, error, refused }: Attempt): Tried => ({
  attempt,
  node,
  agent_id,
  position: fallback?.position ?? 0,
  code: error?.code,
  refused: refused === true,
});

/**
 * So many failed attempts on one member of the chain are enough of it; a single one when else the attempts would not
 * last for the members that have not been tried.
 */
const PATIENCE = 2;

/** So many refusals in a row are no coincidence, whatever the adverts say; after twice as many, others refused too. */
const REFUSALS = 5;

interface Place {
  readonly node: string;
  readonly agent_id: string;
  readonly position: number;
}

/** What an agent is to a task that has tried these before. Without a chain, one that has failed is merely tried. */
export function regardOf(tried: readonly Tried[], place: Place, demand: Demand): Regard {
  if (tried.length === 0) return 'fresh';
  const own = tried.filter(({ node, agent_id }) => node === place.node && agent_id === place.agent_id);
  const setups = own.flatMap(({ code, refused }) =>
    demand.chain !== undefined && code !== undefined && !refused && isSetupFailure(code) ? [code] : [],
  );
  if (setups.some(code => !ERRORS[code].retryable)) return 'unfit';
  if (setups.length > 0 || hasFailed(tried, place, demand) || refuses(tried, place)) return 'given_up';
  return own.length === 0 ? 'fresh' : 'tried';
}

/** The member of the chain to which the agent belongs, so often that it is enough. */
function hasFailed(tried: readonly Tried[], { position }: Place, { chain, options }: Demand): boolean {
  if (chain === undefined) return false;
  const ran = tried.filter(({ refused }) => !refused);
  const failed = ran.filter(one => one.position === position).length;
  const met = new Set([...ran.map(one => one.position), position]);
  const members_left = chain.filter((_, index) => !met.has(index)).length;
  const attempts_left = (options.max_attempts ?? DEFAULT_MAX_ATTEMPTS) - ran.length;
  return failed >= (attempts_left <= members_left ? 1 : PATIENCE);
}

/**
 * Only the last refusal is on record, and how many there were. So it stands for all agents of its node, and in a chain
 * for all before it, which were passed over or refused earlier.
 */
function refuses(tried: readonly Tried[], { node, position }: Place): boolean {
  const count = refusalsInRow(tried);
  const last = tried.at(-1);
  if (last === undefined || count < REFUSALS) return false;
  if (position === last.position) return node === last.node || count >= 2 * REFUSALS;
  return position < last.position;
}

const refusalsInRow = (tried: readonly Tried[]): number => {
  const last = tried.at(-1);
  if (last?.refused !== true) return 0;
  return last.attempt - (tried.findLast(({ refused }) => !refused)?.attempt ?? 0);
};

/** Whether some agent of the chain takes tasks, now or soon, other than the one of the last attempt. */
export function couldGoElsewhere(
  demand: Demand,
  attempts: readonly Attempt[],
  candidates: readonly Candidate[],
): boolean {
  const { chain, options } = demand;
  const last = attempts.at(-1);
  const tried = attempts.map(triedOf);
  return candidates.some(candidate => {
    const { node, status } = candidate;
    const position = chain && positionOf(status, chain, options);
    if (position === undefined || (node === last?.node && status.agent_id === last.agent_id)) return false;
    const { fit } = fitOf(candidate, demand);
    const open = fit === 'free' || fit === 'busy' || fit === 'cooling';
    return open && regardOf(tried, { node, agent_id: status.agent_id, position }, demand) !== 'unfit';
  });
}

/** Why an agent of the chain was passed over: what keeps it from the task, or what the task has met there. */
export function whyPassed(
  { agent_id, node }: Place,
  fit: Fit,
  regard: Regard,
  tried: readonly Tried[],
): string {
  if (fit.fit === 'cooling') return fit.why.message.replace(/\.$/, '');
  if (fit.fit !== 'free' && fit.fit !== 'busy') return `${agent_id} (${fit.why.code})`;
  const own = tried.findLast(one => one.node === node && one.agent_id === agent_id && !one.refused);
  if (regard === 'unfit') return `${agent_id} failed the task with ${own?.code ?? 'an error'}`;
  const refusal = own === undefined && tried.at(-1)?.refused === true ? tried.at(-1) : undefined;
  if (refusal?.node === node)
    return `${agent_id} keeps refusing the task (${refusal.code ?? 'no reason given'})`;
  return own?.code === undefined
    ? 'attempts of the task have failed on others of it'
    : `${agent_id} failed the task, the last time with ${own.code}`;
}

const MAX_NAMED = 3;
const MAX_CHARS = 1_000;

/** Each member that was passed over with its reasons, in the order of the chain. */
export function describePassed(
  members: readonly (readonly [name: string, reasons: readonly string[]])[],
): string {
  const told = members.map(([name, reasons]) => {
    const known = [...new Set(reasons)];
    if (known.length === 0) return `${name}: no such agent fits`;
    const more = known.length > MAX_NAMED ? `, and ${known.length - MAX_NAMED} more` : '';
    return `${name}: ${known.slice(0, MAX_NAMED).join(', ')}${more}`;
  });
  return told.join('; ').slice(0, MAX_CHARS);
}
