/** The agent types whose agents are command-line tools. */
import { AGENT_TYPES, type AgentType } from '../../protocol/agent.ts';

export type CliType = Exclude<AgentType, 'ollama'>;
export const CLI_TYPES = AGENT_TYPES.filter((type): type is CliType => type !== 'ollama');
