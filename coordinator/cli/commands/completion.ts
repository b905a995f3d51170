import { Argument, type Command } from 'commander';
import type { Action } from '../action.ts';
import { CALLER, type Cli } from '../cli.ts';
import type { Client } from '../client.ts';
import { bashCompletion } from '../completion/bash.ts';
import { ASKED, type Asked, completionTree } from '../completion/tree.ts';
import { zshCompletion } from '../completion/zsh.ts';

/** Longer, and a person who pressed Tab wonders. */
const PATIENCE_MS = 1_500;
const OFFERED = 50;

export function addCompletion(program: Command, action: Action): void {
  program
    .command('completion')
    .description('print the completion script of a shell')
    .addArgument(new Argument('<shell>').choices(['bash', 'zsh']))
    .addHelpText(
      'after',
      `
Examples:
  source <(ccli completion bash)      in ~/.bashrc
  source <(ccli completion zsh)       in ~/.zshrc, after compinit`,
    )
    .action(
      action((cli, shell: 'bash' | 'zsh') => {
        const tree = completionTree(program);
        cli.stdout.write(shell === 'bash' ? bashCompletion(tree) : zshCompletion(tree));
        return Promise.resolve(0);
      }),
    );
  program
    .command('__complete', { hidden: true })
    .addArgument(new Argument('<what>').choices(ASKED))
    .action(action(offer));
}

/** Ids, one a line; nothing at all when the fleet cannot be asked, since there is no place to say so. */
async function offer(cli: Cli, what: Asked): Promise<number> {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  try {
    for (const id of await cli.withClient({}, client => ids(client, what, signal))) cli.stdout.line(id);
  } catch {
    return 1;
  }
  return 0;
}

async function ids({ operations }: Client, what: Asked, signal: AbortSignal): Promise<string[]> {
  const context = { caller: CALLER, signal };
  switch (what) {
    case 'agents':
      return (await operations.agents({}, context)).agents.map(agent => agent.agent_id);
    case 'nodes':
      return (await operations.nodes({}, context)).nodes.map(node => node.node);
    case 'tasks':
      return (await operations.list({ limit: OFFERED }, context)).tasks.map(task => task.task_id);
  }
}
