/** What `/api/agents` is told: agents to register, and what of them to change. */
import { z } from 'zod';
import { AGENT_TYPES, ModelSchema, NameSchema, SpecialtySchema } from '../../../protocol/agent.ts';
import { UpdateAgentRequestSchema, VerifyAgentRequestSchema } from '../../../protocol/operation.ts';
import { AgentSettingsSchema, OllamaTargetSchema } from '../../../protocol/registration.ts';

const settings = AgentSettingsSchema.shape;

const SpecialtiesSchema = z
  .union([SpecialtySchema, z.array(SpecialtySchema).min(1)])
  .describe('One, or several, the most fitting first.');

const CanarySchema = z
  .boolean()
  .default(true)
  .describe(
    'Whether a short prompt is sent through the agent before it is registered; that costs a model call.',
  );

const registration = {
  id: NameSchema,
  specialty: SpecialtiesSchema,
  max_concurrent: settings.max_concurrent.describe("Counts up to what the node's file allows."),
  priority: settings.priority,
  labels: settings.labels,
  ssh_fallback: settings.ssh_fallback.describe(
    "Whether tasks may reach it over SSH; what the coordinator's file says otherwise.",
  ),
  enabled: settings.enabled.describe('One that was disabled stays so unless this is given.'),
  canary: CanarySchema,
};

const claim = (what: string) =>
  z.string().min(1).max(4_096).optional().describe(`${what} Compared with what the node really runs.`);

const CliTypeSchema = z.enum(AGENT_TYPES).exclude(['ollama']);

/**
 * Only `host` is needed. What else it says of the CLI is a claim that is held against what the node advertises: the
 * node's own file decides what runs there, and no path from here ever does.
 */
const CliClaimsSchema = z.strictObject({
  host: NameSchema.describe('The node it runs on.'),
  node_path: claim('The Node it runs under.'),
  cli_path: claim("The CLI's executable or script."),
  gemini_path: claim('The same, of a gemini.'),
  node_version: claim('With or without the leading "v".'),
  cli_version: claim('The version that is installed.'),
  model: ModelSchema.optional().describe(
    'The model it is set up with. Compared with what the node really runs.',
  ),
  expected_version: settings.expected_version.describe('Pins the CLI to this version, or range of versions.'),
  max_concurrent: settings.max_concurrent,
  command_timeout_s: z
    .number()
    .positive()
    .optional()
    .describe('How long one attempt may take. Compared with what the node really does.'),
});

/** Two places that say the same must not say different things. */
const agree = (one: unknown, other: unknown): boolean =>
  one === undefined || other === undefined || one === other;

export const RegisterCliSchema = z
  .strictObject({
    ...registration,
    agent_type: CliTypeSchema,
    cli_config: CliClaimsSchema,
    model: ModelSchema.optional().describe('The same as `cli_config.model`.'),
  })
  .refine(({ model, cli_config }) => agree(model, cli_config.model), {
    path: ['model'],
    error: 'another one than cli_config.model; give one of them',
  })
  .refine(({ max_concurrent, cli_config }) => agree(max_concurrent, cli_config.max_concurrent), {
    path: ['max_concurrent'],
    error: 'another number than cli_config.max_concurrent; give one of them',
  })
  .refine(({ cli_config }) => agree(cli_config.gemini_path, cli_config.cli_path), {
    path: ['cli_config', 'gemini_path'],
    error: 'another one than cli_config.cli_path; give one of them',
  })
  .meta({
    id: 'CliAgentRequest',
    examples: [
      {
        id: 'walnut-gemini',
        agent_type: 'cli_gemini',
        cli_config: { host: 'walnut', node_version: '22.14.0' },
        specialty: 'general_ai',
        max_concurrent: 2,
      },
    ],
  });
export type RegisterCli = z.infer<typeof RegisterCliSchema>;

export const RegisterOllamaSchema = z
  .strictObject({
    ...registration,
    ...OllamaTargetSchema.shape,
    node: NameSchema.optional().describe("Needed only when several nodes' files permit the endpoint."),
    host: NameSchema.optional().describe('The same as `node`.'),
  })
  .refine(({ node, host }) => agree(node, host), {
    path: ['host'],
    error: 'another one than node; give one of them',
  })
  .meta({
    id: 'OllamaAgentRequest',
    examples: [
      {
        id: 'walnut-llama3',
        endpoint: 'http://127.0.0.1:11434',
        model: 'llama3:8b',
        specialty: 'reasoning',
      },
    ],
  });

export const ChangeAgentSchema = UpdateAgentRequestSchema.omit({ agent_id: true, node: true })
  .extend({ specialty: SpecialtiesSchema.nullable().optional() })
  .strict()
  .refine(changes => Object.values(changes).some(value => value !== undefined), {
    error: 'nothing to change; give at least one field',
    when: ({ issues }) => issues.length === 0,
  })
  .meta({ id: 'AgentChanges', examples: [{ priority: 10, max_concurrent: null }] });

/** The body may be left out. */
export const TestAgentSchema = z.strictObject({
  canary: z
    .boolean()
    .optional()
    .describe('False spares the model call of a short prompt; true unless given.'),
});
export const VerifyAgentSchema = VerifyAgentRequestSchema.pick({ command: true }).strict();
