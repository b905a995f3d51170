/**
 * Whether an agent may take a task, told a second time and in another way than the planner tells it: one long list of
 * what must not be, over all agents at once, without a thought for speed.
 */
import type { Candidate } from '../../../coordinator/core/placement.ts';
import type { QueuedTask } from '../../../coordinator/core/plan.ts';

type State = 'free' | 'soon' | 'blocked';

/** `soon`: it is waited for. */
function stateOf(agent: Candidate): State {
  const { status } = agent;
  const { alive, contested, draining, full, allowed } = agent;
  if (!alive || contested || draining || full || !allowed) return 'blocked';
  if (!status.enabled || status.health === 'unavailable') return 'blocked';
  if (status.health === 'starting') return agent.absent === true ? 'blocked' : 'soon';
  if (status.max_concurrent === 0) return 'blocked';
  if (status.cooldown_ms !== undefined && status.cooldown_ms > 0) return 'blocked';
  return agent.used < status.max_concurrent ? 'free' : 'soon';
}

function suits({ status }: Candidate, { options, prompt_bytes }: QueuedTask): boolean {
  const { specialty, model, labels = {}, min_gpu_memory_bytes } = options;
  if (specialty !== undefined && !status.specialty.includes(specialty)) return false;
  if (model !== undefined && status.models?.includes(model) === false) return false;
  if (Object.keys(labels).some(name => status.labels[name] !== labels[name])) return false;
  if (min_gpu_memory_bytes !== undefined && !((status.gpu_memory?.total_bytes ?? 0) >= min_gpu_memory_bytes))
    return false;
  return prompt_bytes <= status.max_prompt_bytes;
}

/** In the chain; -1 for an agent that the task does not want. */
function positionOf({ status }: Candidate, { chain, options }: QueuedTask): number {
  const { agent_id, agent_type } = options;
  const named =
    (agent_id === undefined || agent_id === status.agent_id) &&
    (agent_type === undefined || agent_type === status.agent_type);
  if (chain === undefined) return named ? 0 : -1;
  const asked = agent_id !== undefined || agent_type !== undefined;
  if (asked && named) return 0;
  return chain.findIndex(
    (name, index) => !(asked && index === 0) && [status.agent_id, status.agent_type].includes(name),
  );
}

const FOREVER = [
  'auth_refused',
  'cli_not_signed_in',
  'cli_missing',
  'node_version_missing',
  'version_mismatch',
  'model_not_found',
  'context_too_long',
  'prompt_too_large',
];

type Trust = 'trusted' | 'last resort' | 'never';

function trustOf(agent: Candidate, task: QueuedTask): Trust {
  if (isRefuser(agent, task)) return 'last resort';
  if (task.chain === undefined) return 'trusted';
  const ran = task.tried.filter(one => !one.refused);
  const own = ran.filter(one => one.node === agent.node && one.agent_id === agent.status.agent_id);
  if (own.some(one => FOREVER.includes(one.code ?? ''))) return 'never';
  const here = positionOf(agent, task);
  const there = ran.filter(one => one.position === here);
  const untried = task.chain.filter((_, index) => index !== here && ran.every(one => one.position !== index));
  const left = (task.options.max_attempts ?? 3) - ran.length;
  const enough = there.length >= 2 || (there.length === 1 && left <= untried.length);
  return enough || own.some(one => one.code === 'endpoint_unreachable') ? 'last resort' : 'trusted';
}

/** Five refusals speak of the node and of what stands before it in the chain, ten of all that stands beside it too. */
function isRefuser(agent: Candidate, task: QueuedTask): boolean {
  const last = task.tried.at(-1);
  if (last === undefined || !last.refused) return false;
  const runs = task.tried.filter(one => !one.refused).map(one => one.attempt);
  const in_a_row = last.attempt - Math.max(0, ...runs);
  const here = positionOf(agent, task);
  if (here > last.position || in_a_row < 5) return false;
  return here < last.position || agent.node === last.node || in_a_row >= 10;
}

/** Why this task must not go to this agent as all of them stand; undefined when it may. */
export function whyNot(task: QueuedTask, agent: Candidate, all: readonly Candidate[]): string | undefined {
  const position = positionOf(agent, task);
  if (position === -1) return 'it was not asked for';
  if (!suits(agent, task)) return 'it does not fit';
  if (stateOf(agent) !== 'free') return 'it takes nothing now';
  if (task.session?.earlier_pending === true) return 'an earlier turn has not ended';
  const held = heldBy(task, all);
  if (held !== undefined) return held === agent ? undefined : 'its session is with another agent';
  const trust = trustOf(agent, task);
  if (trust === 'never') return 'it has said that it cannot';
  const others = all.filter(one => one !== agent && positionOf(one, task) !== -1 && suits(one, task));
  const waited_for = others.filter(one => stateOf(one) !== 'blocked' && trustOf(one, task) === 'trusted');
  if (trust === 'last resort' && waited_for.length > 0) return 'there is one that has not failed the task';
  if (waited_for.some(one => positionOf(one, task) < position)) return 'an earlier one in the chain is there';
  return undefined;
}

/** The agent that the task's session binds it to. */
function heldBy(task: QueuedTask, all: readonly Candidate[]): Candidate | undefined {
  const bound = task.session?.agent;
  const agent = all.find(one => one.node === bound?.node && one.status.agent_id === bound.agent_id);
  if (agent === undefined || positionOf(agent, task) === -1 || !suits(agent, task)) return undefined;
  if (trustOf(agent, task) !== 'trusted') return undefined;
  const failed = task.tried.filter(one => !one.refused && one.node === agent.node);
  if (failed.some(one => one.agent_id === agent.status.agent_id)) return undefined;
  const { recent } = agent.status;
  if (recent !== undefined && recent.runs >= 5 && recent.failed * 2 > recent.runs) return undefined;
  const rests = stateOf(agent) === 'blocked';
  const awake = stateOf({ ...agent, status: { ...agent.status, cooldown_ms: 0 } }) !== 'blocked';
  const briefly = awake && (agent.status.cooldown_ms ?? 0) <= 60_000;
  return rests && !briefly ? undefined : agent;
}
