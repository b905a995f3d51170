/** An agent as `/api/agents` shows it: what the fleet says of it, and the names that clients of REST APIs look for. */
import { z } from 'zod';
import { NameSchema, SpecialtySchema } from '../../../protocol/agent.ts';
import { type AgentView, AgentViewSchema } from '../../../protocol/operation.ts';

/** How a CLI runs on its node. It can be given back as it stands when the agent is registered. */
const CliConfigSchema = z
  .object({
    host: NameSchema.describe('The node it runs on.'),
    node_path: z.string().optional().describe('The Node it runs under.'),
    cli_path: z.string().optional().describe("The CLI's executable or script."),
    gemini_path: z.string().optional().describe('The same, of an agent of type `cli_gemini`.'),
    node_version: z.string().optional(),
    cli_version: z.string().optional(),
    expected_version: z
      .string()
      .optional()
      .describe('The CLI version, or range of versions, it is pinned to.'),
    model: z.string().optional().describe('The model a task gets when it names none.'),
    max_concurrent: z.int().nonnegative(),
    command_timeout_s: z.number().positive().describe('How long one attempt may take, unless the task says.'),
  })
  .meta({ id: 'CliConfig' });
type CliConfig = z.infer<typeof CliConfigSchema>;

export const AgentSchema = AgentViewSchema.extend({
  id: NameSchema.describe('The same as `agent_id`.'),
  specialty: SpecialtySchema.nullable().describe('The first of `specialties`; null when it has none.'),
  specialties: z.array(SpecialtySchema),
  current_tasks: z.int().nonnegative().describe('The same as `running`.'),
  cli_config: CliConfigSchema.nullable().describe('Null for an agent that is no CLI.'),
}).meta({ id: 'Agent' });
export type Agent = z.infer<typeof AgentSchema>;

export const toAgent = (view: AgentView): Agent => ({
  ...view,
  id: view.agent_id,
  specialty: view.specialty[0] ?? null,
  specialties: view.specialty,
  current_tasks: view.running,
  cli_config: view.agent_type === 'ollama' ? null : cliConfig(view),
});

function cliConfig({ agent_type, node, max_concurrent, timeout_ms, ...view }: AgentView): CliConfig {
  const { node_path, cli_path, node_version, cli_version, expected_version, model } = view;
  return {
    host: node,
    ...(node_path !== undefined && { node_path }),
    ...(cli_path !== undefined && { cli_path }),
    ...(cli_path !== undefined && agent_type === 'cli_gemini' && { gemini_path: cli_path }),
    ...(node_version !== undefined && { node_version }),
    ...(cli_version !== undefined && { cli_version }),
    ...(expected_version !== undefined && { expected_version }),
    ...(model !== undefined && { model }),
    max_concurrent,
    command_timeout_s: timeout_ms / 1_000,
  };
}
