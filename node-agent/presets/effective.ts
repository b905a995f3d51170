/** What an agent is started and read with: its own settings over those of its type's preset. */
import type { ToolPolicy } from '../../protocol/agent.ts';
import type { CliAgentConfig } from '../agent-config/cli.ts';
import type { AcpProgram, Preset, PrintMode } from './preset.ts';
import { PRESETS } from './table.ts';

type Typed = Pick<CliAgentConfig, 'agent_type'>;

export const presetOf = ({ agent_type }: Typed): Preset | undefined => PRESETS[agent_type];

/** The program that serves the agent's driver. */
export function programOf({ agent_type, driver }: Pick<CliAgentConfig, 'agent_type' | 'driver'>) {
  const preset = PRESETS[agent_type];
  return driver === 'acp' ? preset?.acp : preset?.headless;
}

interface Arguments {
  readonly model: string | undefined;
  readonly policy: ToolPolicy;
}

/** Of the preset first, then the agent's own; placeholders in the latter are the caller's to fill. */
export function argumentsOf(agent: CliAgentConfig, { model, policy }: Arguments): string[] {
  const program = programOf(agent);
  const modelArgs: readonly string[] = program?.model_args ?? [];
  return [
    ...(program?.policy_args?.[policy] ?? []),
    ...(model === undefined ? [] : modelArgs.map(arg => arg.replaceAll('{model}', model))),
    ...agent.args,
  ];
}

export const fixedArguments = (agent: CliAgentConfig): readonly string[] => programOf(agent)?.args ?? [];

type AcpMode = Pick<AcpProgram, 'auth_method'> & { readonly mode: string | undefined };

export function acpModeOf(agent: CliAgentConfig, policy: ToolPolicy): AcpMode {
  const preset = presetOf(agent)?.acp;
  const auth_method = agent.auth_method ?? preset?.auth_method;
  return {
    mode: agent.modes[policy] ?? preset?.modes?.[policy],
    ...(auth_method !== undefined && { auth_method }),
  };
}

/** Whether its processes are told their model when they start, so that no session has to be switched to it. */
export const startsWithModel = (agent: CliAgentConfig): boolean => programOf(agent)?.model_args !== undefined;

const PLAIN: PrintMode = { prompt: 'stdin', output: 'text' };

/** What the agent says of how its CLI prints goes over the preset as a whole: half of each would fit neither. */
export function printModeOf(agent: CliAgentConfig): PrintMode {
  const { prompt, output, answer, answers, error, usage } = agent;
  const headless = presetOf(agent)?.headless;
  const preset = headless === undefined || 'built_in' in headless ? PLAIN : headless;
  const told = prompt !== undefined ? { ...preset, prompt } : preset;
  if (output === undefined) return told;
  return {
    prompt: told.prompt,
    output,
    ...(answer !== undefined && { answer }),
    ...(answers !== undefined && { answers }),
    ...(error !== undefined && { error }),
    ...(usage !== undefined && { usage }),
  };
}
