import type { AgentView } from '../../../protocol/operation.ts';
import type { Cli } from '../cli.ts';
import { agentSentence } from '../render/registry.ts';

/** What was done to an agent, and how it is now; a change that was made can still keep it from work. */
export function tellAgent(cli: Cli, done: string, agent: AgentView): void {
  cli.stdout.line(`${done} ${agentSentence(agent, cli.stdout.colors)}`);
  if (agent.health === 'unavailable' && agent.problem !== undefined)
    cli.stderr.line(`It takes no work: ${agent.problem.message}`);
}
