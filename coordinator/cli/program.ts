/** The tree of commands. */
import { Command } from 'commander';
import { EXIT_MEANINGS } from '../../protocol/errors.ts';
import type { Action } from './action.ts';
import { addAgentCommands } from './commands/agents.ts';
import { addBackupCommands } from './commands/backup.ts';
import { addBench } from './commands/bench.ts';
import { addBootstrapCommand } from './commands/bootstrap.ts';
import { addCompletion } from './commands/completion.ts';
import { addCoordinateCommand } from './commands/coordinate.ts';
import { addDaemons } from './commands/daemon.ts';
import { addDoctor } from './commands/doctor.ts';
import { addFleetCommands } from './commands/fleet.ts';
import { addMcpCommand } from './commands/mcp.ts';
import { addNodeCommands } from './commands/node.ts';
import { addRun } from './commands/run.ts';
import { addTaskCommands } from './commands/task.ts';
import { addUp } from './commands/up.ts';
import { version } from './version.ts';

const exitCodes = (): string =>
  Object.entries(EXIT_MEANINGS)
    .map(([code, meaning]) => `  ${code.padEnd(4)} ${meaning}`)
    .join('\n');

export function buildProgram(action: Action): Command {
  const program = new Command('ccli')
    .description('One door to the AI command-line tools and local models on your hosts.')
    .version(version(), '-V, --version', 'print the version')
    .helpCommand('help [command]', 'show help for a command')
    .addHelpText(
      'after',
      `
Where the fleet is, first found:
  --nats URL or --state DIR; CCLI_NATS_URL or CCLI_STATE_DIR; ~/.config/ccli/config.yaml;
  the fleet that \`ccli up\` runs on this machine.

Exit codes:
${exitCodes()}

Examples:
  ccli up "What is 2+2?"                    a fleet for one prompt, on this machine
  ccli up                                   a fleet that stays until Ctrl-C
  ccli run --agent walnut-gemini "Hello"    one prompt, its answer on stdout
  git diff | ccli run "Review this" -       a prompt and stdin behind it
  ccli run - < prompt.md > answer.md        a prompt from stdin`,
    );
  program.commandsGroup('Fleet:');
  addUp(program, action);
  addDaemons(program, action);
  addBootstrapCommand(program, action);
  addNodeCommands(program, action);
  addBackupCommands(program, action);
  program.commandsGroup('Tasks:');
  addRun(program, action);
  addCoordinateCommand(program, action);
  addTaskCommands(program, action);
  program.commandsGroup('What there is:');
  addAgentCommands(program, action);
  addFleetCommands(program, action);
  addDoctor(program, action);
  addBench(program, action);
  program.commandsGroup('For AI clients:');
  addMcpCommand(program, action);
  program.commandsGroup('Shell:');
  addCompletion(program, action);
  return program;
}
