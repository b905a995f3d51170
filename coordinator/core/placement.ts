/** Which agent a task goes to, and why the others were not chosen. */
import type { AgentStatus } from '../../protocol/agent.ts';
import { ERRORS, type ErrorBody, type ErrorCode } from '../../protocol/errors.ts';
import type { TaskOptions } from '../../protocol/task.ts';

/** An agent as the planner sees it. */
export interface Candidate {
  readonly node: string;
  readonly instance_id: string;
  readonly status: AgentStatus;
  readonly alive: boolean;
  readonly contested: boolean;
  readonly draining: boolean;
  /** No room on the node's disk for another result. */
  readonly full: boolean;
  /** Running as far as anybody knows: the node's own count, or what was given to it since, if that is more. */
  readonly used: number;
}

export interface Demand {
  readonly options: TaskOptions;
  readonly prompt_bytes: number;
}

/**
 * `misfit`: could never take this task. `broken`: could, once somebody mends its set-up. `away`: cannot be reached or
 * takes nothing new. `busy`: will have room again by itself. `cooling`: likewise, once a pause that its model service
 * asked for is over. `free`: takes it now.
 */
export type Fit =
  | { readonly fit: 'free' }
  | { readonly fit: 'cooling'; readonly why: ErrorBody; readonly left_ms: number }
  | { readonly fit: 'misfit' | 'broken' | 'away' | 'busy'; readonly why: ErrorBody };

const why = (code: ErrorCode, message: string): ErrorBody => ({
  code,
  message,
  retryable: ERRORS[code].retryable,
});

export function fitOf(candidate: Candidate, { options, prompt_bytes }: Demand): Fit {
  const { status } = candidate;
  const misfit = misfitOf(status, options, prompt_bytes);
  if (misfit !== undefined) return { fit: 'misfit', why: misfit };
  if (!candidate.alive) return { fit: 'away', why: why('node_lost', `Node ${candidate.node} is silent.`) };
  if (candidate.contested) {
    return {
      fit: 'away',
      why: why('wrong_instance', `Two daemons call themselves ${candidate.node}; stop one.`),
    };
  }
  if (candidate.draining) return { fit: 'away', why: why('draining', `Node ${candidate.node} is draining.`) };
  if (candidate.full) {
    return { fit: 'away', why: why('outbox_full', `Node ${candidate.node} has no room for results.`) };
  }
  if (!status.enabled) return { fit: 'away', why: why('agent_disabled', `${status.agent_id} is disabled.`) };
  if (status.health === 'unavailable') {
    return { fit: 'broken', why: status.problem ?? why('cli_crashed', `${status.agent_id} is unavailable.`) };
  }
  if (status.health === 'starting')
    return { fit: 'busy', why: why('agent_starting', `${status.agent_id} is starting.`) };
  const left_ms = status.cooldown_ms ?? 0;
  if (left_ms > 0) {
    const code = status.cooldown_code ?? 'rate_limited';
    const left = `${status.agent_id} is cooling down (${code}) for another ${Math.ceil(left_ms / 1000)} s.`;
    return { fit: 'cooling', left_ms, why: { ...why(code, left), retry_after_ms: Math.round(left_ms) } };
  }
  if (candidate.used >= status.max_concurrent) {
    const slots = status.max_concurrent === 1 ? 'The only slot' : `All ${status.max_concurrent} slots`;
    const verb = status.max_concurrent === 1 ? 'is' : 'are';
    return { fit: 'busy', why: why('slots_taken', `${slots} of ${status.agent_id} ${verb} taken.`) };
  }
  return { fit: 'free' };
}

function misfitOf(agent: AgentStatus, options: TaskOptions, prompt_bytes: number): ErrorBody | undefined {
  const { agent_id, agent_type, specialty, model, labels } = options;
  if (agent_id !== undefined && agent_id !== agent.agent_id)
    return why('agent_unknown', `It is not ${agent_id}.`);
  if (agent_type !== undefined && agent_type !== agent.agent_type) {
    return why('agent_type_unknown', `It is of type ${agent.agent_type}.`);
  }
  if (specialty !== undefined && !agent.specialty.includes(specialty)) {
    return why('no_agent_fits', `Its specialty is ${agent.specialty.join(', ')}, not ${specialty}.`);
  }
  if (model !== undefined && agent.models !== undefined && !agent.models.includes(model)) {
    const serves =
      agent.models.length === 0 ? 'It takes no model by name' : `It serves ${agent.models.join(', ')}`;
    return why('model_not_found', `${serves}, not ${model}.`);
  }
  const label = Object.entries(labels ?? {}).find(([name, value]) => agent.labels[name] !== value);
  if (label !== undefined) return why('no_agent_fits', `It has no label ${label.join('=')}.`);
  if (prompt_bytes > agent.max_prompt_bytes) {
    return why(
      'prompt_too_large',
      `It takes prompts of up to ${agent.max_prompt_bytes} bytes; this one has ${prompt_bytes}.`,
    );
  }
  return undefined;
}

/** Larger is better, field by field; the names at the end make the choice the same for the same snapshot. */
export function compareCandidates(a: Candidate, b: Candidate): number {
  return (
    b.status.priority - a.status.priority ||
    Number(b.status.warm) - Number(a.status.warm) ||
    freeShare(b) - freeShare(a) ||
    byName(a.status.agent_id, b.status.agent_id) ||
    byName(a.node, b.node)
  );
}

const byName = (a: string, b: string): number => Number(a > b) - Number(a < b);

const freeShare = ({ status, used }: Candidate): number =>
  (status.max_concurrent - used) / status.max_concurrent;

export function describeChoice(chosen: Candidate, free: number): string {
  const { priority, warm, max_concurrent } = chosen.status;
  const facts = [
    `priority ${priority}`,
    warm ? 'warm' : 'cold',
    `${chosen.used} of ${max_concurrent} slots taken`,
  ];
  return `${facts.join(', ')}; ${free === 1 ? 'the only agent free' : `best of ${free} free`}`;
}

/**
 * Why a task that no agent could take fails, in the caller's terms: the narrowest thing asked for that nobody offers.
 */
export function noFit(demand: Demand, candidates: readonly Candidate[]): ErrorBody {
  const { options, prompt_bytes } = demand;
  if (candidates.length === 0) return why('no_agents', ERRORS.no_agents.says);
  const { agent_id, agent_type } = options;
  const ids = candidates.map(candidate => candidate.status.agent_id);
  if (agent_id !== undefined && !ids.includes(agent_id)) {
    return why('agent_unknown', `No agent is called "${agent_id}"; there ${list(ids)}.`);
  }
  const types = [...new Set(candidates.map(candidate => candidate.status.agent_type))];
  if (agent_type !== undefined && !types.includes(agent_type)) {
    return why('agent_type_unknown', `No agent is of type ${agent_type}; there ${list(types)}.`);
  }
  const misfits = candidates.map(({ status }) => misfitOf(status, options, prompt_bytes));
  for (const code of ['prompt_too_large', 'model_not_found'] as const) {
    const found = misfits.find(misfit => misfit?.code === code);
    if (found !== undefined && misfits.every(misfit => misfit !== undefined))
      return { ...found, message: explain(code, found, options) };
  }
  return why('no_agent_fits', ERRORS.no_agent_fits.says);
}

const explain = (
  code: 'prompt_too_large' | 'model_not_found',
  found: ErrorBody,
  options: TaskOptions,
): string =>
  code === 'prompt_too_large'
    ? `The prompt is too large for every agent that fits. ${found.message}`
    : `No agent that fits serves ${options.model ?? 'this model'}. ${found.message}`;

const list = (items: readonly string[]): string => {
  const shown = items.slice(0, 8).sort().join(', ');
  return `${items.length === 1 ? 'is' : 'are'} ${shown}${items.length > 8 ? ', …' : ''}`;
};

/**
 * Whether a task may be accepted. `undecided`: all depends on an agent that is still starting.
 */
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
  const [first] = possible;
  if (first !== undefined && usable.length === 0) return { verdict: 'refuse', error: first.why };
  const starting = usable.every(({ why }) => why.code === 'agent_starting');
  return { verdict: starting ? 'undecided' : 'accept' };
}
