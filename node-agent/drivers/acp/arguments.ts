/** How each CLI is told to speak the Agent Client Protocol. */
import type { AgentConfig } from '../../config.ts';

export function acpArguments(agent: AgentConfig, model: string | undefined): string[] {
  switch (agent.agent_type) {
    case 'cli_gemini':
      // Edits and commands ask first in the default mode: the answer depends on the task's own policy.
      return ['--acp', '--approval-mode', 'default', ...modelOption(model), ...agent.args];
    case 'cli_qwen':
      return ['--acp', ...modelOption(model), ...agent.args];
    case 'cli_opencode':
      return ['acp', ...agent.args];
    default:
      // Adapters such as claude-agent-acp speak nothing else.
      return agent.args;
  }
}

const modelOption = (model: string | undefined): string[] =>
  model === undefined ? [] : [`--model=${model}`];

const HEAP_CAP_SHARE = 4 / 3;
const MIB = 1024 * 1024;

/** Keeps a leaking process from taking the host down between two looks at it. Its heap may well pass `max_memory`. */
export const heapCapArgument = ({ max_memory }: AgentConfig): string =>
  `--max-old-space-size=${Math.ceil((max_memory * HEAP_CAP_SHARE) / MIB)}`;
