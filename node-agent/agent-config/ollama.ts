/** An Ollama model as an agent: where it is served, and with which settings. */
import { z } from 'zod';
import { EndpointSchema, ModelSchema } from '../../protocol/agent.ts';
import { DurationSchema, SizeSchema } from '../../protocol/quantity.ts';
import { KeepAliveSchema, OllamaOptionsSchema } from '../../protocol/registration.ts';
import { commonShape } from './every-agent.ts';

const DEFAULT_ENDPOINT = 'http://127.0.0.1:11434';
const DEFAULT_MAX_PROMPT_BYTES = 8 * 1024 * 1024;
/** A model of some tens of gigabytes may have to come from a disk first. */
const DEFAULT_FIRST_TOKEN_TIMEOUT_MS = 120_000;
const DEFAULT_IDLE_TIMEOUT_MS = 180_000;

export const OllamaAgentConfigSchema = z
  .strictObject({
    ...commonShape,
    agent_type: z.literal('ollama'),
    driver: z.literal('ollama').default('ollama'),
    endpoint: EndpointSchema.default(DEFAULT_ENDPOINT),
    model: ModelSchema,
    /** How long the server keeps the model in memory after a task; its own default when absent. */
    keep_alive: KeepAliveSchema.optional(),
    /** Passed on as they stand. */
    options: OllamaOptionsSchema.default({}),
    /**
     * How long a task may wait for its first token: the queue of the server and the loading of the model included.
     * `idle_timeout` counts from that token on. A load that is given up is lost, so this is longer than any of them.
     */
    first_token_timeout: DurationSchema.default(DEFAULT_FIRST_TOKEN_TIMEOUT_MS),
    /** Of the host that serves the model, when that is not this node. */
    gpu_memory: SizeSchema.optional(),
  })
  .transform(agent => ({
    ...agent,
    models: [agent.model],
    /** A model on its own has no tools. */
    tool_policy: 'deny' as const,
    max_prompt: agent.max_prompt ?? DEFAULT_MAX_PROMPT_BYTES,
    idle_timeout: agent.idle_timeout ?? DEFAULT_IDLE_TIMEOUT_MS,
  }));
export type OllamaAgentConfig = z.infer<typeof OllamaAgentConfigSchema>;
