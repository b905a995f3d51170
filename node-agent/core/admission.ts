/** Whether a node takes an attempt: the one place that decides it, from what the node knows and nothing else. */
import type { AgentStatus } from '../../protocol/agent.ts';
import type { RunRequest } from '../../protocol/control.ts';
import { type CcliError, CcliError as Refusal } from '../../protocol/errors.ts';
import type { Text } from '../../protocol/text.ts';

export interface NodeFacts {
  readonly instance_id: string;
  /** The highest epoch any request has carried. */
  readonly epoch: number;
  readonly draining: boolean;
  /** Whether the disk has room for one more result. */
  readonly has_room: boolean;
}

/** How far an attempt is that the node has met before. `refused`: cancelled before it arrived. */
export type KnownPhase = 'receiving' | 'running' | 'finished' | 'refused';

export type Admission =
  | { readonly decision: 'accept' }
  | { readonly decision: 'known'; readonly phase: Exclude<KnownPhase, 'refused'> }
  | { readonly decision: 'refuse'; readonly error: CcliError };

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
  if (request.instance_id !== facts.instance_id) return refuse(new Refusal('wrong_instance'));
  if (request.epoch < facts.epoch) return refuse(new Refusal('stale_epoch'));
  if (known === 'refused') return refuse(new Refusal('attempt_refused'));
  if (known !== undefined) return { decision: 'known', phase: known };
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
    return refuse(new Refusal(agent.problem?.code ?? 'agent_starting', agent.problem?.message));
  }
  if (request.model !== undefined && agent.models !== undefined && !agent.models.includes(request.model)) {
    return refuse(
      new Refusal(
        'model_not_found',
        `Agent "${agent.agent_id}" serves ${agent.models.join(', ')}; choose one of these.`,
      ),
    );
  }
  if (sizeOf(request.prompt) > agent.max_prompt_bytes) return refuse(new Refusal('prompt_too_large'));
  if (agent.running >= agent.max_concurrent) return refuse(new Refusal('slots_taken'));
  return undefined;
}

const encoder = new TextEncoder();

const sizeOf = (prompt: Text): number =>
  'ref' in prompt ? prompt.ref.size_bytes : encoder.encode(prompt.inline).byteLength;
