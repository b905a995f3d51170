import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Command, Option } from 'commander';
import { CcliError } from '../../../protocol/errors.ts';
import type { Action } from '../action.ts';
import type { CliIo } from '../io.ts';

interface DaemonFlags {
  readonly config?: string;
}

const COORDINATOR = '../../main.js';
const NODE_AGENT = '../../../node-agent/program.js';

const programAt = (entry: string): string => fileURLToPath(new URL(entry, import.meta.url));
const configOption = (): Option => new Option('--config <file>', 'its configuration');
const configOf = ({ config }: DaemonFlags): string[] =>
  config === undefined ? [] : ['--config', resolve(config)];

const helpOf = (name: string): string =>
  `\nIt logs to stderr, one JSON event a line, and winds up on SIGTERM or Ctrl-C.\n\nExamples:\n  ccli ${name} --config /etc/ccli/${name}.yaml`;

export function addDaemons(program: Command, action: Action): void {
  program
    .command('coordinator')
    .description('run a coordinator in the foreground')
    .addOption(configOption())
    .addHelpText('after', helpOf('coordinator'))
    .action(
      action((cli, flags: DaemonFlags) => runDaemon([programAt(COORDINATOR), ...configOf(flags)], cli.io)),
    );
  addNodeAgent(program, action);
}

/** The program of a node does all this by itself; a host that has the whole of ccli hands it on. */
function addNodeAgent(program: Command, action: Action): void {
  const daemon = program
    .command('node-agent')
    .description('run the node-agent of this host in the foreground')
    .enablePositionalOptions()
    .addOption(configOption())
    .addHelpText('after', helpOf('node-agent'))
    .action(
      action((cli, flags: DaemonFlags) =>
        runDaemon([programAt(NODE_AGENT), 'node-agent', ...configOf(flags)], cli.io),
      ),
    );
  daemon
    .command('exec')
    .description('speak with the node-agent of this host on stdin and stdout, as a coordinator does over SSH')
    .addOption(configOption())
    .requiredOption('--stdio', 'one JSON document a line')
    .addHelpText('after', '\nExamples:\n  ssh walnut ccli node-agent exec --stdio')
    .action(
      action((cli, flags: DaemonFlags) =>
        runProgram([programAt(NODE_AGENT), 'node-agent', 'exec', '--stdio', ...configOf(flags)], cli.io),
      ),
    );
  daemon
    .command('check')
    .description('look whether this host has what a node-agent needs')
    .addOption(configOption())
    .option('--json', 'print one JSON document')
    .addHelpText('after', '\nExamples:\n  ccli node-agent check')
    .action(
      action((cli, flags: DaemonFlags & { readonly json?: true }) =>
        runProgram(
          [
            programAt(NODE_AGENT),
            'node-agent',
            'check',
            ...(flags.json === true ? ['--json'] : []),
            ...configOf(flags),
          ],
          cli.io,
        ),
      ),
    );
}

/**
 * Runs a daemon in our place: its output is ours, our signals are its, and so is the exit code. It gets
 * `--exit-with-parent` and a stdin that ends with us, so that it winds up when we are killed.
 */
export const runDaemon = (args: readonly string[], io: Streams): Promise<number> =>
  runChild([...args, '--exit-with-parent'], io, 'pipe');

/** Runs a program in our place, on our own streams. */
const runProgram = (args: readonly string[], io: Streams): Promise<number> => runChild(args, io, 'inherit');

type Streams = Pick<CliIo, 'onInterrupt' | 'environment'>;

async function runChild(args: readonly string[], io: Streams, stdin: 'pipe' | 'inherit'): Promise<number> {
  const child = spawn(process.execPath, args, {
    stdio: [stdin, 'inherit', 'inherit'],
    env: io.environment,
    // In a process group of its own, Ctrl-C reaches it once, through us, and not twice.
    detached: true,
  });
  // It closes its end when it ends, which is no error of ours.
  child.stdin?.on('error', () => undefined);
  const release = io.onInterrupt(signal => {
    child.kill(signal);
  });
  try {
    const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
    return code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
  } catch (cause) {
    throw new CcliError('start_failed', `${args[0] ?? 'The daemon'} could not be started.`, { cause });
  } finally {
    release();
    child.stdin?.destroy();
  }
}
