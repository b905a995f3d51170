import type { Command } from 'commander';
import type { CallContext } from '../../caller.ts';
import type { Operations } from '../../operations.ts';
import type { Action } from '../action.ts';
import { CALLER, type Cli } from '../cli.ts';
import { type CommonFlags, withFleetOptions } from '../options.ts';
import type { Colors } from '../render/colors.ts';
import { nodeTable, statusDetails } from '../render/fleet.ts';

export function addFleetCommands(program: Command, action: Action): void {
  const add = (name: string, description: string, filter: string): Command =>
    withFleetOptions(program.command(name).description(description)).addHelpText(
      'after',
      `\nExamples:\n  ccli ${name}\n  ccli ${name} --json | jq ${filter}`,
    );
  const nodes = show(
    (operations, context) => operations.nodes({}, context),
    ({ nodes }, colors) => (nodes.length === 0 ? undefined : nodeTable(nodes, colors)),
    'No node has joined this fleet; start one with `ccli node-agent`.',
  );
  add('nodes', 'list the nodes', '-r ".nodes[].node"').action(action(nodes));
  const status = show((operations, context) => operations.status({}, context), statusDetails);
  add('status', 'show how the fleet is doing', '.slots.free').action(action(status));
}

const show =
  <T>(
    ask: (operations: Operations, context: CallContext) => Promise<T>,
    render: (reply: T, colors: Colors) => string | undefined,
    /** Said on stderr when there is nothing to show. */
    nothing = '',
  ) =>
  async (cli: Cli, flags: CommonFlags): Promise<number> =>
    await cli.withClient(flags, async ({ operations }) => {
      const reply = await ask(operations, { caller: CALLER, signal: new AbortController().signal });
      if (flags.json === true) {
        cli.json(reply);
        return 0;
      }
      const text = render(reply, cli.stdout.colors);
      if (text === undefined) cli.stderr.line(nothing);
      else cli.stdout.write(text);
      return 0;
    });
