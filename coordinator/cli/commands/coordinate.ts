import { type Command, InvalidArgumentError, Option } from 'commander';
import {
  type CoordinateRequest,
  CoordinateRequestSchema,
  MAX_PARTS,
  STRATEGIES,
  type Strategy,
} from '../../../protocol/coordination.ts';
import { CcliError } from '../../../protocol/errors.ts';
import { MAX_MESSAGE_BYTES } from '../../../protocol/limits.ts';
import type { Action } from '../action.ts';
import type { Cli } from '../cli.ts';
import { runCoordination, showPlan } from '../coordination/run.ts';
import { takeInterrupts } from '../interrupts.ts';
import {
  type CommonFlags,
  parseDurationFlag,
  parseInteger,
  parseName,
  quietOption,
  withFleetOptions,
} from '../options.ts';
import { readPrompt, withPromptArguments } from '../prompt.ts';
import { newTaskId } from '../task-id.ts';

interface CoordinateFlags extends CommonFlags {
  readonly agents?: readonly string[];
  readonly strategy: Strategy;
  readonly maxAgents?: number;
  readonly budget?: number;
  readonly plan?: true;
  readonly id?: string;
}

export function addCoordinateCommand(program: Command, action: Action): void {
  const group = 'Which agents, and how:';
  const option = (flags: string, description: string): Option =>
    new Option(flags, description).helpGroup(group);
  const command = withPromptArguments(
    program.command('coordinate').description('put one question to several agents at once'),
    'the requirements; "-" or nothing reads stdin',
  )
    .addOption(
      option('--agents <ids>', 'these agents, as a,b,c; chosen by specialty and type otherwise').argParser(
        parseNames,
      ),
    )
    .addOption(
      option(
        '--strategy <strategy>',
        'all: every answer; first: the first that succeeds; best: an agent picks one; synthesize: an agent makes one of them',
      )
        .choices(STRATEGIES)
        .default('all'),
    )
    .addOption(
      option('--max-agents <n>', 'how many to ask at most (default: 3, or all that are named)').argParser(
        parseInteger(1, MAX_PARTS),
      ),
    )
    .addOption(
      option(
        '--budget <duration>',
        'time for everything together, like 10m; what is not done by then is cancelled',
      ).argParser(parseDurationFlag),
    )
    .addOption(option('--plan', 'only show who would be asked, and why'))
    .addOption(
      option('--id <id>', 'take up the coordination of this id, or begin it').argParser(parseCoordinationId),
    )
    .addOption(quietOption())
    .addHelpText(
      'after',
      `
Each answer is a task of its own: \`ccli task list --group ID\` lists those of a coordination.
Ctrl-C cancels the tasks; a second one leaves at once and leaves them running.
A lost connection cancels nothing: the same command with --id takes the tasks up.

Exit code 0 when there is an answer, also when an agent failed: that is a warning on stderr, and
\`partial\` as the status with --json. 1 when every agent failed.

Examples:
  ccli coordinate "Write a CUDA softmax kernel, and how to test it"
  ccli coordinate --agents walnut-gemini,ironwood-llama --strategy best "Why is this slow?" - < trace.txt
  ccli coordinate --strategy synthesize --budget 5m - < requirements.md > answer.md
  ccli coordinate --plan "Document the API"
  ccli coordinate --json "Hello" | jq -r '.parts[].response'`,
    );
  withFleetOptions(command).action(action(coordinateCommand));
}

async function coordinateCommand(
  cli: Cli,
  argument: string | undefined,
  dash: true | undefined,
  flags: CoordinateFlags,
): Promise<number> {
  const prompt = await readPrompt({ prompt: argument, appendStdin: dash === true }, cli.io.stdin);
  if (Buffer.byteLength(JSON.stringify(prompt)) > MAX_REQUIREMENTS_BYTES) {
    throw new CcliError(
      'prompt_too_large',
      `Requirements for several agents may have ${MAX_REQUIREMENTS_BYTES} bytes as JSON; shorten them, or ask one agent with \`ccli run\`.`,
    );
  }
  const request: CoordinateRequest & { coordination_id: string } = {
    coordination_id: flags.id ?? newTaskId(),
    prompt,
    strategy: flags.strategy,
    ...(flags.agents !== undefined && { agents: [...flags.agents] }),
    ...(flags.maxAgents !== undefined && { max_agents: flags.maxAgents }),
    ...(flags.budget !== undefined && { budget_ms: flags.budget }),
  };
  return await cli.withClient(flags, async client => {
    const json = flags.json === true;
    if (flags.plan === true) return await showPlan(cli, client, { request, json });
    const interrupts = takeInterrupts(cli.io);
    try {
      const progress = cli.progress(flags);
      return await runCoordination(cli, client, { request, json, progress, interrupts });
    } finally {
      interrupts.release();
    }
  });
}

/** They travel in one message, together with the other options. */
const MAX_REQUIREMENTS_BYTES = MAX_MESSAGE_BYTES - 16 * 1024;

function parseNames(text: string): readonly string[] {
  const names = text
    .split(',')
    .map(name => name.trim())
    .filter(name => name !== '');
  if (names.length === 0) throw new InvalidArgumentError('At least one agent id is needed.');
  if (names.length > MAX_PARTS) throw new InvalidArgumentError(`${MAX_PARTS} agents are the most.`);
  return names.map(parseName);
}

function parseCoordinationId(text: string): string {
  if (CoordinateRequestSchema.shape.coordination_id.safeParse(text).success) return text;
  throw new InvalidArgumentError('Letters, digits, "-" and "_", at most 32.');
}
