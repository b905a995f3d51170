import { z } from 'zod';
import { AgentTypeSchema, SpecialtySchema } from '../../../protocol/agent.ts';
import { AgentChoiceSchema, agentChoice, agentLine } from '../agent-summary.ts';
import { contextFor } from '../door.ts';
import { READS, type Tool } from '../tool.ts';

const input = z.strictObject({
  agent_type: AgentTypeSchema.optional().describe('Only agents of this type'),
  specialty: SpecialtySchema.optional().describe('Only agents with this specialty'),
  available: z
    .boolean()
    .optional()
    .describe('true: only agents that would take a task now; false: only those that would not'),
});

const output = z.object({
  agents: z.array(AgentChoiceSchema),
  of: z.int().describe('How many agents the fleet has in all'),
});

export const discoverAgentsTool: Tool<typeof input, typeof output> = {
  name: 'discover_agents',
  title: 'List the agents of the fleet',
  description:
    'Lists the AI agents that tasks can be given to: AI command-line tools and local models on several hosts, each with its type, specialties, model and free slots. Call it before execute_task_on_agent or coordinate_multi_agent_task to get ids; run_task does not need it.',
  input,
  output,
  annotations: READS,
  async run(door, { agent_type, specialty, available }, { signal }) {
    const { agents: all } = await door.operations.agents({}, contextFor(door, signal));
    const agents = all
      .filter(agent => agent_type === undefined || agent.agent_type === agent_type)
      .filter(agent => specialty === undefined || agent.specialty.includes(specialty))
      .filter(agent => available === undefined || agent.available === available);
    return {
      structured: { agents: agents.map(agentChoice), of: all.length },
      text: [agents.length === 0 ? none(all.length) : agents.map(agentLine).join('\n')],
    };
  },
};

const none = (all: number): string =>
  all === 0
    ? 'No agent has joined this fleet.'
    : `None of the ${all} agents fits; call discover_agents without filters to see them.`;
