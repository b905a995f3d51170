/** Whether an agent can take a task, and if not, why. */
import type { AgentStatus } from '../../protocol/agent.ts';
import { ERRORS, type ErrorBody, type ErrorCode } from '../../protocol/errors.ts';
import { hasModel } from '../../protocol/model-name.ts';
import type { SshFallback } from '../../protocol/registration.ts';
import type { TaskOptions } from '../../protocol/task.ts';
import { type Chain, describeChain, positionOf } from './chain.ts';

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
  readonly registration: 'registered' | 'discovered';
  /** Whether the fleet's policy lets it take work. */
  readonly allowed: boolean;
  /** Running as far as anybody knows: the node's own count, or what was given to it since, if that is more. */
  readonly used: number;
  /** It is registered, and no advert names it. */
  readonly absent?: true;
  /** Tasks reach it over SSH at this moment; absent for NATS. */
  readonly transport?: 'ssh';
  /** Whether they may; absent where no SSH is set up for its node. */
  readonly ssh_fallback?: SshFallback;
}

export interface Demand {
  readonly options: TaskOptions;
  readonly prompt_bytes: number;
  /** From the options, or from the fleet's policy: see `chainOf`. Only its members may take the task. */
  readonly chain?: Chain | undefined;
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

/** Why not now. */
export type Blocking = Exclude<Fit, { readonly fit: 'free' }>;

export const why = (code: ErrorCode, message: string): ErrorBody => ({
  code,
  message,
  retryable: ERRORS[code].retryable,
});

export function fitOf(candidate: Candidate, demand: Demand): Fit {
  const misfit = misfitOf(candidate.status, demand);
  return misfit === undefined ? conditionOf(candidate) : { fit: 'misfit', why: misfit };
}

/** How the agent stands to any task that it fits. */
export function conditionOf(candidate: Candidate): Fit {
  const { status, node } = candidate;
  const { agent_id } = status;
  const away = (code: ErrorCode, message: string): Fit => ({ fit: 'away', why: why(code, message) });
  if (!candidate.allowed) {
    const message = `${agent_id} is not registered, and this fleet gives work to registered agents only; register it first.`;
    return { fit: 'broken', why: why('agent_not_registered', message) };
  }
  if (!candidate.alive) return away('node_lost', `Node ${node} is silent.`);
  if (candidate.contested) return away('wrong_instance', `Two daemons call themselves ${node}; stop one.`);
  const barred = wayBarred(candidate);
  if (barred !== undefined) return { fit: 'away', why: barred };
  if (candidate.draining) return away('draining', `Node ${node} is draining.`);
  if (candidate.full) return away('outbox_full', `Node ${node} has no room for results.`);
  if (!status.enabled) return away('agent_disabled', `${agent_id} is disabled.`);
  if (status.health === 'unavailable')
    return { fit: 'broken', why: status.problem ?? why('cli_crashed', `${agent_id} is unavailable.`) };
  // That its node takes it up is hoped for: whoever may go elsewhere does not wait for it.
  if (status.health === 'starting' && candidate.absent)
    return away('agent_starting', status.problem?.message ?? `${agent_id} is starting.`);
  if (status.health === 'starting')
    return { fit: 'busy', why: why('agent_starting', `${agent_id} is starting.`) };
  if (status.max_concurrent === 0)
    return away('agent_disabled', `${agent_id} has no slots: its max_concurrent is 0.`);
  const left_ms = status.cooldown_ms ?? 0;
  if (left_ms > 0) {
    const code = status.cooldown_code ?? 'rate_limited';
    const left = `${agent_id} is cooling down (${code}) for another ${Math.ceil(left_ms / 1000)} s.`;
    return { fit: 'cooling', left_ms, why: { ...why(code, left), retry_after_ms: Math.round(left_ms) } };
  }
  return candidate.used < status.max_concurrent ? { fit: 'free' } : slotsTaken(status);
}

/** Why its policy keeps tasks from the way there is to it now. */
export function wayBarred({ status, node, transport, ssh_fallback }: Candidate): ErrorBody | undefined {
  const { agent_id } = status;
  if (ssh_fallback === 'off' && transport === 'ssh') {
    return why(
      'ssh_not_allowed',
      `Node ${node} can be reached over SSH only, and ssh_fallback of ${agent_id} is off; bring the node back to NATS, or allow it: ccli agents update ${agent_id} --ssh-fallback on.`,
    );
  }
  if (ssh_fallback === 'only' && transport !== 'ssh') {
    return why(
      'ssh_not_allowed',
      `${agent_id} takes tasks over SSH only, and there is no line to ${node}; see ssh.hosts.${node} of the coordinator and its log (line_lost), or allow NATS: ccli agents update ${agent_id} --ssh-fallback on.`,
    );
  }
  return undefined;
}

export const slotsTaken = ({ agent_id, max_concurrent }: AgentStatus): Blocking => {
  const slots = max_concurrent === 1 ? 'The only slot' : `All ${max_concurrent} slots`;
  const verb = max_concurrent === 1 ? 'is' : 'are';
  return { fit: 'busy', why: why('slots_taken', `${slots} of ${agent_id} ${verb} taken.`) };
};

/** One thing that a task can ask of an agent. */
interface Check {
  readonly code: ErrorCode;
  readonly misses: (agent: AgentStatus, demand: Demand) => boolean;
  readonly says: (agent: AgentStatus, demand: Demand) => string;
  /** What to tell a caller when no agent came further: a number or a name that could be changed. */
  readonly nobody?: (demand: Demand) => string;
}

const missingLabel = (agent: AgentStatus, { options: { labels } }: Demand): string | undefined => {
  if (labels === undefined) return undefined;
  for (const name of Object.keys(labels))
    if (!Object.hasOwn(agent.labels, name) || agent.labels[name] !== labels[name]) return name;
  return undefined;
};

/** Who it is comes first, then what it is for, then what it can hold: the later it fails, the nearer it was. */
const CHECKS: readonly Check[] = [
  {
    code: 'no_agent_fits',
    misses: (agent, { chain, options }) =>
      chain !== undefined && positionOf(agent, chain, options) === undefined,
    says: (_agent, { chain = [] }) => `It is not in the fallback chain ${describeChain(chain)}.`,
  },
  {
    code: 'agent_unknown',
    misses: (agent, { chain, options: { agent_id } }) =>
      chain === undefined && agent_id !== undefined && agent_id !== agent.agent_id,
    says: (_agent, { options }) => `It is not ${options.agent_id ?? 'the one named'}.`,
  },
  {
    code: 'agent_type_unknown',
    misses: (agent, { chain, options: { agent_type } }) =>
      chain === undefined && agent_type !== undefined && agent_type !== agent.agent_type,
    says: agent => `It is of type ${agent.agent_type}.`,
  },
  {
    code: 'no_agent_fits',
    misses: ({ specialty }, { options }) =>
      options.specialty !== undefined && !specialty.includes(options.specialty),
    says: ({ specialty }, { options }) =>
      `Its specialty is ${specialty.join(', ')}, not ${options.specialty ?? 'this'}.`,
  },
  {
    code: 'model_not_found',
    misses: (agent, { options: { model } }) =>
      model !== undefined && agent.models !== undefined && !hasModel(agent, agent.models, model),
    says: ({ models = [] }, { options }) =>
      `${models.length === 0 ? 'It takes no model by name' : `It serves ${models.join(', ')}`}, not ${options.model ?? 'this'}.`,
    nobody: ({ options }) => `No agent that fits serves ${options.model ?? 'this model'}.`,
  },
  {
    code: 'no_agent_fits',
    misses: (agent, demand) => missingLabel(agent, demand) !== undefined,
    says: (agent, demand) => {
      const name = missingLabel(agent, demand) ?? '';
      return `It has no label ${name}=${demand.options.labels?.[name] ?? ''}.`;
    },
  },
  {
    code: 'no_agent_fits',
    misses: ({ gpu_memory }, { options: { min_gpu_memory_bytes: wanted } }) =>
      wanted !== undefined && (gpu_memory === undefined || gpu_memory.total_bytes < wanted),
    says: ({ gpu_memory }, { options }) =>
      gpu_memory === undefined
        ? 'Its GPU memory is not known.'
        : `It has ${gib(gpu_memory.total_bytes)} of GPU memory, not ${gib(options.min_gpu_memory_bytes ?? 0)}.`,
    nobody: ({ options }) =>
      `No agent that fits has ${gib(options.min_gpu_memory_bytes ?? 0)} of GPU memory.`,
  },
  {
    code: 'prompt_too_large',
    misses: (agent, { prompt_bytes }) => prompt_bytes > agent.max_prompt_bytes,
    says: (agent, { prompt_bytes }) =>
      `It takes prompts of up to ${agent.max_prompt_bytes} bytes; this one has ${prompt_bytes}.`,
    nobody: () => 'The prompt is too large for every agent that fits.',
  },
];

const GIB = 2 ** 30;
/** 25769803776 as `24 GiB`. */
const gib = (bytes: number): string => `${Math.round((bytes / GIB) * 10) / 10} GiB`;

const missOf = (agent: AgentStatus, demand: Demand): number =>
  CHECKS.findIndex(check => check.misses(agent, demand));

/** Cheaper than `misfitOf`, which finds words for it. */
export const suits = (agent: AgentStatus, demand: Demand): boolean => missOf(agent, demand) === -1;

export function misfitOf(agent: AgentStatus, demand: Demand): ErrorBody | undefined {
  const check = CHECKS[missOf(agent, demand)];
  return check && why(check.code, check.says(agent, demand));
}

/** What keeps the agents that come nearest from taking it, where there is more to say than that none fits. */
export function nearestMiss(demand: Demand, agents: readonly AgentStatus[]): ErrorBody | undefined {
  let nearest: AgentStatus | undefined;
  let furthest = -1;
  for (const agent of agents) {
    const miss = missOf(agent, demand);
    if (miss <= furthest) continue;
    nearest = agent;
    furthest = miss;
  }
  const check = CHECKS[furthest];
  if (nearest === undefined || check?.nobody === undefined) return undefined;
  return why(check.code, `${check.nobody(demand)} ${check.says(nearest, demand)}`);
}
