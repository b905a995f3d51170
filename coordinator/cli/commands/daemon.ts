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

const DAEMONS = {
  coordinator: {
    description: 'run a coordinator in the foreground',
    entry: '../../main.js',
  },
  'node-agent': {
    description: 'run the node-agent of this host in the foreground',
    entry: '../../../node-agent/main.js',
  },
} as const;

export function addDaemons(program: Command, action: Action): void {
  for (const [name, { description, entry }] of Object.entries(DAEMONS)) {
    program
      .command(name)
      .description(description)
      .addOption(new Option('--config <file>', 'its configuration'))
      .addHelpText(
        'after',
        `\nIt logs to stderr, one JSON event a line, and winds up on SIGTERM or Ctrl-C.\n\nExamples:\n  ccli ${name} --config /etc/ccli/${name}.yaml`,
      )
      .action(
        action((cli, flags: DaemonFlags) => {
          const program = fileURLToPath(new URL(entry, import.meta.url));
          const config = flags.config === undefined ? [] : ['--config', resolve(flags.config)];
          return runDaemon([program, ...config], cli.io);
        }),
      );
  }
}

/**
 * Runs a daemon in our place: its output is ours, our signals are its, and so is the exit code. It gets
 * `--exit-with-parent` and a stdin that ends with us, so that it winds up when we are killed.
 */
export async function runDaemon(
  args: readonly string[],
  io: Pick<CliIo, 'onInterrupt' | 'environment'>,
): Promise<number> {
  const child = spawn(process.execPath, [...args, '--exit-with-parent'], {
    stdio: ['pipe', 'inherit', 'inherit'],
    env: io.environment,
    // In a process group of its own, Ctrl-C reaches it once, through us, and not twice.
    detached: true,
  });
  // It closes its end when it ends, which is no error of ours.
  child.stdin.on('error', () => undefined);
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
    child.stdin.destroy();
  }
}
