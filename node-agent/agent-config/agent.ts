/** An agent of a node's file. */
import { z } from 'zod';
import { AgentTypeSchema } from '../../protocol/agent.ts';
import { type CliAgentConfig, CliAgentConfigSchema } from './cli.ts';
import { type OllamaAgentConfig, OllamaAgentConfigSchema } from './ollama.ts';

export type AgentConfig = CliAgentConfig | OllamaAgentConfig;

const TypedSchema = z.looseObject({ agent_type: AgentTypeSchema });

/**
 * By its type. A union would tell only that the type is wrong, and none of the other mistakes: what is of no type of ours
 * is looked at as a CLI.
 */
export const AgentConfigSchema = z.unknown().transform((value, context): AgentConfig => {
  const typed = TypedSchema.safeParse(value);
  const is_ollama = typed.success && typed.data.agent_type === 'ollama';
  const parsed = (is_ollama ? OllamaAgentConfigSchema : CliAgentConfigSchema).safeParse(value);
  if (parsed.success) return parsed.data;
  const of_type = typed.error?.issues.find(({ path }) => path[0] === 'agent_type')?.message;
  for (const { path, message } of parsed.error.issues) {
    const told = path[0] === 'agent_type' ? (of_type ?? message) : message;
    context.addIssue({ code: 'custom', path, message: told });
  }
  return z.NEVER;
});
