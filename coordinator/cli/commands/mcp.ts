import { type Command, Option } from 'commander';
import { createLog, type LogLevel } from '../../../protocol/daemon/log.ts';
import { DEFAULT_WAIT_MS } from '../../mcp/door.ts';
import type { Action } from '../action.ts';
import { CALLER, type Cli } from '../cli.ts';
import { openClient } from '../client.ts';
import { type FleetFlags, findFleet } from '../discovery.ts';
import { createOnDemand } from '../on-demand.ts';
import { parseDurationFlag, withFleetPlace } from '../options.ts';

interface McpFlags extends FleetFlags {
  readonly wait: number;
  readonly logLevel: LogLevel;
}

const LOG_LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error', 'silent'];

export function addMcpCommand(program: Command, action: Action): void {
  withFleetPlace(
    program.command('mcp').description('serve the fleet to an AI client over MCP, on stdin and stdout'),
  )
    .addOption(
      new Option(
        '--wait <duration>',
        'how long tools wait for an answer before they give a task id instead; stay below the time after which the client gives up',
      )
        .argParser(parseDurationFlag)
        .default(DEFAULT_WAIT_MS, '50s'),
    )
    .addOption(
      new Option('--log-level <level>', 'what to log on stderr').choices(LOG_LEVELS).default('silent'),
    )
    .addHelpText(
      'after',
      `
It is started by its client, not by hand; see deploy/mcp.md for each. It starts also while no fleet is there: its tools
say so then, and work as soon as one is.

Examples:
  gemini mcp add -s user ccli ccli mcp
  claude mcp add ccli -- ccli mcp
  codex mcp add ccli -- ccli mcp`,
    )
    .action(action(serve));
}

async function serve(cli: Cli, flags: McpFlags): Promise<number> {
  const { stdin, stdout, stderr, environment } = cli.io;
  const log = createLog({ level: flags.logLevel, name: 'mcp', to: stderr });
  const fleet = createOnDemand(async () => await openClient(await findFleet(flags, environment)), log);
  const ended = new AbortController();
  const release = cli.io.onInterrupt(signal => {
    // Ctrl-C at the terminal of a client reaches its servers too. It means the client, which closes stdin when it ends.
    if (signal === 'SIGINT' && stdin.isTTY !== true) return;
    ended.abort();
  });
  if (stdin.isTTY === true)
    cli.stderr.line('This speaks MCP on stdin and stdout: an AI client starts it. Ctrl-C ends it.');
  try {
    // Loaded when it is needed: no other command has a use for it.
    const { serveMcpStdio } = await import('../../mcp/stdio.ts');
    await serveMcpStdio({
      ...fleet,
      caller: CALLER,
      wait_ms: flags.wait,
      stdin,
      stdout,
      signal: ended.signal,
      log,
    });
    return 0;
  } finally {
    release();
    await fleet.close();
  }
}
