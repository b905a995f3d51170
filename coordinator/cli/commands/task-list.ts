/** `ccli task list`. */
import { type Command, Option } from 'commander';
import type { ListRequest, TaskSummary } from '../../../protocol/operation.ts';
import { TASK_STATUSES, type TaskStatus } from '../../../protocol/task.ts';
import { CALLER, type Cli } from '../cli.ts';
import { type CommonFlags, parseInteger, parseName, parseTaskId } from '../options.ts';
import { taskTable } from '../render/task.ts';

export interface ListFlags extends CommonFlags {
  readonly status?: TaskStatus[];
  readonly agent?: string;
  readonly node?: string;
  readonly caller?: string;
  readonly group?: string;
  readonly session?: string;
  readonly retryOf?: string;
  readonly limit: number;
}

const PAGE = 500;

export const withListOptions = (command: Command): Command =>
  command
    .addOption(new Option('--status <status...>', 'only these, one or several').choices(TASK_STATUSES))
    .addOption(new Option('--agent <agent-id>', 'only those it ran, or runs').argParser(parseName))
    .addOption(new Option('--node <node>', 'only those that ran, or run, there').argParser(parseName))
    .addOption(new Option('--caller <name>', 'only those of this caller').argParser(parseName))
    .addOption(
      new Option('--group <id>', 'only those of this coordination, see `ccli coordinate`').argParser(
        parseTaskId,
      ),
    )
    .addOption(new Option('--session <id>', 'only those of this conversation').argParser(parseTaskId))
    .addOption(
      new Option('--retry-of <task-id>', 'only those that ran this task again').argParser(parseTaskId),
    )
    .addOption(new Option('--limit <n>', 'how many at most').default(20).argParser(parseInteger(1, 100_000)))
    .addHelpText(
      'after',
      '\nExamples:\n  ccli task list --status failed cancelled --agent walnut-gemini\n  ccli task list --group ID\n  ccli task list --limit 100 --json | jq -r ".tasks[].task_id"',
    );

export async function listCommand(cli: Cli, flags: ListFlags): Promise<number> {
  const wanted = wantedOf(flags);
  return await cli.withClient(flags, async ({ operations }) => {
    const tasks: TaskSummary[] = [];
    let cursor: string | undefined;
    do {
      const page = await operations.list(
        {
          limit: Math.min(PAGE, flags.limit - tasks.length),
          ...wanted,
          ...(cursor !== undefined && { cursor }),
        },
        { caller: CALLER, signal: new AbortController().signal },
      );
      tasks.push(...page.tasks);
      cursor = page.next_cursor;
    } while (cursor !== undefined && tasks.length < flags.limit);
    if (flags.json === true) {
      cli.json({ tasks, ...(cursor !== undefined && { next_cursor: cursor }) });
      return 0;
    }
    if (tasks.length === 0) cli.stderr.line('no tasks');
    else cli.stdout.write(taskTable(tasks, cli.stdout.colors, Date.now()));
    if (cursor !== undefined) cli.stderr.line(`there are more; see them with --limit ${flags.limit * 5}`);
    return 0;
  });
}

function wantedOf(flags: ListFlags): Omit<ListRequest, 'limit' | 'cursor'> {
  const { status = [], agent, node, caller, group, session, retryOf } = flags;
  const [only, ...others] = status;
  return {
    ...(only !== undefined && { status: others.length === 0 ? only : status }),
    ...(agent !== undefined && { agent_id: agent }),
    ...(node !== undefined && { node }),
    ...(caller !== undefined && { caller }),
    ...(group !== undefined && { group }),
    ...(session !== undefined && { session_id: session }),
    ...(retryOf !== undefined && { retry_of: retryOf }),
  };
}
