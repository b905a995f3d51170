import { Argument, type Command, Option } from 'commander';
import type { Action } from '../action.ts';
import { CALLER, type Cli } from '../cli.ts';
import { drainNode } from '../drain.ts';
import { takeInterrupts } from '../interrupts.ts';
import { type CommonFlags, parseDurationFlag, parseName, quietOption, withFleetOptions } from '../options.ts';
import { silentProgress } from '../progress.ts';
import { drainSentence } from '../render/fleet.ts';

interface DrainFlags extends CommonFlags {
  readonly timeout?: number;
  readonly wait: boolean;
}

export function addNodeCommands(program: Command, action: Action): void {
  const node = program
    .command('node')
    .description('take a node out of service and back in')
    .helpCommand(false);
  const one = (name: string, description: string): Command =>
    withFleetOptions(
      node
        .command(name)
        .description(description)
        .addArgument(new Argument('<node>', 'as `ccli nodes` shows it').argParser(parseName)),
    );
  one('drain', 'let a node take nothing new, and wait until it has finished')
    .addOption(new Option('--timeout <duration>', 'longest to wait, like 10m').argParser(parseDurationFlag))
    .addOption(new Option('--no-wait', 'do not wait until it has finished'))
    .addOption(quietOption())
    .addHelpText(
      'after',
      `
A drained node stays drained, also when its daemon starts anew, until \`ccli node resume\`.
Ctrl-C ends the waiting and leaves the node draining.

Examples:
  ccli node drain walnut && ssh walnut sudo reboot
  ccli node drain --timeout 10m walnut`,
    )
    .action(action(drain));
  one('resume', 'let a node take work again')
    .addHelpText('after', '\nExamples:\n  ccli node resume walnut')
    .action(action(resume));
}

async function drain(cli: Cli, node: string, flags: DrainFlags): Promise<number> {
  return await cli.withClient(flags, async ({ operations }) => {
    const interrupts = takeInterrupts(cli.io);
    const progress = flags.json === true ? silentProgress : cli.progress(flags);
    try {
      const reply = await drainNode(operations, {
        node,
        wait: flags.wait,
        timeout_ms: flags.timeout,
        progress,
        signal: interrupts.first,
      });
      progress.pause();
      if (flags.json === true) cli.json(reply);
      else cli.stdout.line(drainSentence(reply));
      return 0;
    } finally {
      interrupts.release();
      progress.pause();
    }
  });
}

async function resume(cli: Cli, node: string, flags: CommonFlags): Promise<number> {
  return await cli.withClient(flags, async ({ operations }) => {
    const context = { caller: CALLER, signal: new AbortController().signal };
    const reply = await operations.drain({ node, drain: false }, context);
    if (flags.json === true) cli.json(reply);
    else cli.stdout.line(drainSentence(reply));
    return 0;
  });
}
