/** One invocation of `ccli`, from its arguments to its exit code. Owns nothing but what it is given. */
import { type Command, CommanderError } from 'commander';
import { CcliError, ERRORS, toErrorBody } from '../../protocol/errors.ts';
import type { Action } from './action.ts';
import { type Cli, createCli } from './cli.ts';
import type { CliIo } from './io.ts';
import { buildProgram } from './program.ts';
import { writeError } from './render/error.ts';

/** @param argv without the interpreter and the script. */
export async function runCli(argv: readonly string[], io: CliIo): Promise<number> {
  const cli = createCli(io);
  try {
    return await invoke(cli, argv);
  } finally {
    cli.stdout.close();
    cli.stderr.close();
  }
}

async function invoke(cli: Cli, argv: readonly string[]): Promise<number> {
  let code = 0;
  let told: unknown;
  const action: Action =
    work =>
    async (...args) => {
      code = await work(cli, ...args);
    };
  try {
    await quietly(buildProgram(action), cli).parseAsync([...argv], { from: 'user' });
  } catch (error) {
    told = error;
    code = tell(cli, argv, error);
  }
  try {
    await cli.stdout.flush();
  } catch (error) {
    if (!isOutputFailure(told)) code = tell(cli, argv, error);
  }
  // A stderr that takes nothing leaves no place to say so.
  await cli.stderr.flush().catch(() => undefined);
  return code;
}

const isOutputFailure = (error: unknown): boolean =>
  error instanceof CcliError && error.code === 'output_failed';

/** Commander writes help and version to our streams, leaves its errors to us, and never exits. */
function quietly(command: Command, cli: Cli): Command {
  command.exitOverride().configureOutput({
    writeOut: text => {
      cli.stdout.write(text);
    },
    writeErr: text => {
      cli.stderr.write(text);
    },
    outputError: () => undefined,
    getOutHelpWidth: () => cli.io.stdout.columns ?? 100,
    getErrHelpWidth: () => cli.io.stderr.columns ?? 100,
    getOutHasColors: () => cli.stdout.colors.isColorSupported,
    getErrHasColors: () => cli.stderr.colors.isColorSupported,
  });
  for (const child of command.commands) quietly(child, cli);
  return command;
}

function tell(cli: Cli, argv: readonly string[], thrown: unknown): number {
  // A reader that has seen enough, as `head` has, ends the command without a word.
  const { gone } = cli.stdout;
  if (gone.aborted && !isOutputFailure(gone.reason)) return 0;
  if (thrown instanceof CommanderError) {
    // Help and version that were asked for arrive here too, and so does help in place of a missing subcommand.
    if (thrown.exitCode === 0) return 0;
    if (thrown.code === 'commander.help') return ERRORS.invalid_request.exit;
  }
  const error = toErrorBody(thrown instanceof CommanderError ? usageError(thrown) : thrown);
  if (wantsJson(argv)) cli.json({ error });
  cli.stdout.freshLine();
  writeError(cli.stderr, error);
  return ERRORS[error.code].exit;
}

function usageError(error: CommanderError): CcliError {
  const text = error.message
    .replace(/^error: /, '')
    .replace(/\n\(Did you mean (.*)\?\)$/s, ' (did you mean $1?)');
  return new CcliError('invalid_request', `${text.replace(/\.$/, '')}; see \`ccli help\`.`);
}

/** A command line that could not be parsed may still have asked for JSON. */
function wantsJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return (end === -1 ? argv : argv.slice(0, end)).includes('--json');
}
