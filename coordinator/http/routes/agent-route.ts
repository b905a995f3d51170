/** What the routes of one agent have in common. */
import { z } from 'zod';
import { NameSchema } from '../../../protocol/agent.ts';
import { CcliError } from '../../../protocol/errors.ts';
import type { AgentView } from '../../../protocol/operation.ts';
import type { CallContext } from '../../caller.ts';
import type { Door } from '../door.ts';
import { AgentSchema } from '../views/agent.ts';

export const TAGS = ['Agents'];

export const NodeQuerySchema = z.strictObject({
  node: NameSchema.optional().describe('Needed only when several nodes have an agent of this id.'),
});

export const IdSchema = z.object({ id: NameSchema.describe('The id of the agent.') });

export const AgentReplySchema = z.object({ agent: AgentSchema });

interface Named {
  readonly id: string;
  readonly node?: string | undefined;
}

/** Those of this id. @throws CcliError what `operations.agents` throws */
export async function agentsCalled(
  { operations }: Door,
  { id, node }: Named,
  context: CallContext,
): Promise<readonly AgentView[]> {
  const { agents } = await operations.agents({}, context);
  return agents.filter(agent => agent.agent_id === id && (node ?? agent.node) === agent.node);
}

/** @throws CcliError `agent_unknown`; `invalid_request` when several nodes have one of this id */
export async function agentCalled(door: Door, named: Named, context: CallContext): Promise<AgentView> {
  const found = await agentsCalled(door, named, context);
  const [only, another] = found;
  if (only === undefined) {
    const where = named.node === undefined ? '' : ` of node ${named.node}`;
    throw new CcliError(
      'agent_unknown',
      `No agent${where} is called "${named.id}"; GET /api/agents lists those there are.`,
    );
  }
  if (another === undefined) return only;
  const nodes = found.map(agent => agent.node).sort();
  throw new CcliError(
    'invalid_request',
    `Several nodes have an agent called ${named.id}: ${nodes.join(', ')}. Say which with \`node\`.`,
  );
}
