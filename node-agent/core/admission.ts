/** Whether a node takes an attempt: the one place that decides it, from what the node knows and nothing else. */
import type { AgentStatus } from '../../protocol/agent.ts';
import type { RunRequest } from '../../protocol/control.ts';
import { type CcliError, fromErrorBody, CcliError as Refusal } from '../../protocol/errors.ts';
import { hasModel } from '../../protocol/model-name.ts';
import type { Text } from '../../protocol/text.ts';
import { type Claim, type FenceState, standingOf } from './fence.ts';

export interface NodeFacts {
  readonly instance_id: string;
  readonly fence: FenceState;
  readonly draining: boolean;
  /** Whether the disk has room for one more result. */
  readonly has_room: boolean;
}

/** How far an attempt is that the node has met before. `refused`: cancelled before it arrived. */
export type KnownPhase = 'receiving' | 'running' | 'finished' | 'refused';

export type Admission =
  | { readonly decision: 'accept' }
  | { readonly decision: 'known'; readonly phase: Exclude<KnownPhase, 'refused'> }
  | { readonly decision: 'refuse'; readonly error: CcliError }
  /** Refused, and never to be begun from now on. */
  | { readonly decision: 'disown'; readonly error: CcliError };

/** Why a request is not meant for this node, or its sender is not the one to obey. */
export function misaddressed(
  request: Claim & { readonly instance_id: string },
  { instance_id, fence }: Pick<NodeFacts, 'instance_id' | 'fence'>,
): CcliError | undefined {
  if (request.instance_id !== instance_id) return new Refusal('wrong_instance');
  if (standingOf(fence, request) === 'stale') return new Refusal('stale_epoch');
  return undefined;
}

/**
 * Whether what the node knows under this name is of an earlier task, whose id was free again once it had been purged:
 * it says nothing about this attempt.
 */
export const isOfEarlierTask = (known_seq: number | undefined, { seq }: Pick<RunRequest, 'seq'>): boolean =>
  known_seq !== undefined && seq !== undefined && known_seq < seq;

/**
 * Asked twice, an attempt is answered with what there already is, whatever the node's condition has become: so a
 * coordinator that missed the first answer can always ask again.
 */
export function admit(
  request: RunRequest,
  facts: NodeFacts,
  agent: AgentStatus | undefined,
  known: KnownPhase | undefined,
): Admission {
  const refuse = (error: CcliError): Admission => ({ decision: 'refuse', error });
  const fault = misaddressed(request, facts);
  if (fault !== undefined) return refuse(fault);
  if (known === 'refused') return refuse(new Refusal('attempt_refused'));
  if (known !== undefined) return { decision: 'known', phase: known };
  if (request.known_only === true) return { decision: 'disown', error: new Refusal('attempt_unknown') };
  if (facts.draining) return refuse(new Refusal('draining'));
  if (!facts.has_room) return refuse(new Refusal('outbox_full'));
  if (agent === undefined) {
    return refuse(new Refusal('agent_unknown', `This node has no agent "${request.agent_id}".`));
  }
  return refusalOf(request, agent) ?? { decision: 'accept' };
}

function refusalOf(request: RunRequest, agent: AgentStatus): Admission | undefined {
  const refuse = (error: CcliError): Admission => ({ decision: 'refuse', error });
  if (!agent.enabled) return refuse(new Refusal('agent_disabled'));
  if (agent.health === 'starting') return refuse(new Refusal('agent_starting'));
  if (agent.health === 'unavailable') {
    return refuse(agent.problem === undefined ? new Refusal('agent_starting') : fromErrorBody(agent.problem));
  }
  if (
    request.model !== undefined &&
    agent.models !== undefined &&
    !hasModel(agent, agent.models, request.model)
  ) {
    return refuse(
      new Refusal(
        'model_not_found',
        `Agent "${agent.agent_id}" serves ${agent.models.join(', ')}; choose one of these.`,
      ),
    );
  }
  if (sizeOf(request.prompt) > agent.max_prompt_bytes) return refuse(new Refusal('prompt_too_large'));
  const resting = restOf(agent);
  if (resting !== undefined) return refuse(resting);
  if (agent.running >= agent.max_concurrent) return refuse(new Refusal('slots_taken'));
  return undefined;
}

/** The refusal of an agent that cools down; undefined when it does not. */
export function restOf({ agent_id, cooldown_ms, cooldown_code }: AgentStatus): CcliError | undefined {
  if (cooldown_ms === undefined || cooldown_ms === 0) return undefined;
  return new Refusal(
    cooldown_code ?? 'rate_limited',
    `The model service of agent "${agent_id}" wants to be left alone for ${Math.ceil(cooldown_ms / 1000)} s more; wait, or choose another agent.`,
    { retry_after_ms: cooldown_ms },
  );
}

const encoder = new TextEncoder();

const sizeOf = (prompt: Text): number =>
  'ref' in prompt ? prompt.ref.size_bytes : encoder.encode(prompt.inline).byteLength;
