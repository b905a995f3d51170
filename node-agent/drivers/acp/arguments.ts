/** How each CLI is told to speak the Agent Client Protocol. */
import type { ToolPolicy } from '../../../protocol/agent.ts';
import type { CliAgentConfig } from '../../agent-config/cli.ts';
import { argumentsOf, fixedArguments } from '../../presets/effective.ts';

export const acpArguments = (
  agent: CliAgentConfig,
  chosen: { readonly model: string | undefined; readonly policy: ToolPolicy },
): string[] => [...fixedArguments(agent), ...argumentsOf(agent, chosen)];

const HEAP_CAP_SHARE = 4 / 3;
const MIB = 1024 * 1024;

/** Keeps a leaking process from taking the host down between two looks at it. Its heap may well pass `max_memory`. */
export const heapCapArgument = ({ max_memory }: CliAgentConfig): string =>
  `--max-old-space-size=${Math.ceil((max_memory * HEAP_CAP_SHARE) / MIB)}`;
