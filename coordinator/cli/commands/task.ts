import { Argument, type Command, Option } from 'commander';
import { CcliError, ERRORS } from '../../../protocol/errors.ts';
import type { TaskStatus } from '../../../protocol/task.ts';
import { waitForEnd } from '../../stream/wait-for-end.ts';
import type { Action } from '../action.ts';
import { createAnswer } from '../answer.ts';
import { CALLER, type Cli } from '../cli.ts';
import type { Client } from '../client.ts';
import { showEnd, wholeView } from '../end.ts';
import { takeInterrupts } from '../interrupts.ts';
import {
  type CommonFlags,
  parseDurationFlag,
  parseInteger,
  parseTaskId,
  quietOption,
  withFleetOptions,
} from '../options.ts';
import { withWayBack } from '../outage.ts';
import { silentProgress } from '../progress.ts';
import { explanation } from '../render/explain.ts';
import { duration } from '../render/quantity.ts';
import { roundabout, standIn, taskDetails } from '../render/task.ts';
import { createStages } from '../stages.ts';
import { tailTask } from '../tail.ts';
import { listCommand, withListOptions } from './task-list.ts';
import { retryCommand } from './task-retry.ts';

interface WaitFlags extends CommonFlags {
  readonly timeout?: number;
}

interface ShowFlags extends CommonFlags {
  readonly why?: true;
  readonly attempt?: number;
}

const never = (): AbortSignal => new AbortController().signal;

export function addTaskCommands(program: Command, action: Action): void {
  const task = program
    .command('task')
    .description('look at tasks, wait for them, cancel them, run them again')
    .helpCommand(false);
  const one = (name: string, description: string): Command =>
    withFleetOptions(
      task
        .command(name)
        .description(description)
        .addArgument(new Argument('<task-id>', 'the id that `ccli submit` printed').argParser(parseTaskId)),
    );

  one('show', 'show a task: its attempts, timings and error')
    .addOption(new Option('--why', 'show each agent with the reason it was or was not chosen'))
    .addOption(
      new Option('--attempt <n>', 'of this attempt; the last one otherwise')
        .argParser(parseInteger(1, Number.MAX_SAFE_INTEGER))
        .implies({ why: true }),
    )
    .addHelpText(
      'after',
      '\nExamples:\n  ccli task show ID\n  ccli task show --why --attempt 1 ID\n  ccli task show --json ID | jq .attempts',
    )
    .action(action(show));
  one('wait', 'wait for the end of a task and print its answer')
    .addOption(new Option('--timeout <duration>', 'longest to wait, like 60s').argParser(parseDurationFlag))
    .addOption(quietOption())
    .addHelpText(
      'after',
      '\nThe exit code is what `ccli run` would have had; 6 when the time is up first.\n\nExamples:\n  ccli task wait --timeout 5m ID',
    )
    .action(action(wait));
  one('tail', 'print the answer from its beginning and as it comes')
    .addOption(quietOption())
    .addHelpText(
      'after',
      '\nWith --json: a line for each piece, and one for the end.\n\nExamples:\n  ccli task tail ID',
    )
    .action(action(tail));
  one('cancel', 'cancel a task')
    .addHelpText('after', '\nExamples:\n  ccli task cancel ID')
    .action(action(cancel));
  one('retry', 'run a finished task again, as a new one, and print its id')
    .addHelpText(
      'after',
      '\nThe new task has the same prompt and options, and names the old one.\n\nExamples:\n  ccli task wait $(ccli task retry ID)',
    )
    .action(action(retryCommand));
  withListOptions(withFleetOptions(task.command('list').description('list tasks, newest first'))).action(
    action(listCommand),
  );
}

async function show(cli: Cli, task_id: string, flags: ShowFlags): Promise<number> {
  return await cli.withClient(flags, async ({ operations }) => {
    const context = { caller: CALLER, signal: never() };
    if (flags.why === true) {
      const { attempt } = flags;
      const reply = await operations.explain({ task_id, ...(attempt !== undefined && { attempt }) }, context);
      if (flags.json === true) cli.json(reply);
      else cli.stdout.write(explanation(reply, cli.stdout.colors));
      return 0;
    }
    const view = await operations.get({ task_id }, context);
    if (flags.json === true) cli.json(await wholeView(operations, view, context));
    else cli.stdout.write(taskDetails(view, cli.stdout.colors, Date.now()));
    return 0;
  });
}

async function wait(cli: Cli, task_id: string, flags: WaitFlags): Promise<number> {
  return await watching(cli, task_id, flags, async (client, interrupted) => {
    const progress = flags.json === true ? silentProgress : cli.progress(flags);
    const stages = createStages(progress);
    const limit = flags.timeout === undefined ? undefined : AbortSignal.timeout(flags.timeout);
    const signal = limit === undefined ? interrupted : AbortSignal.any([interrupted, limit]);
    const { operations } = client;
    try {
      const view = await waitForEnd(operations, {
        task_id,
        caller: CALLER,
        signal,
        onView: view => {
          stages.onView(view);
        },
        onTrouble: (error, times) => {
          if (times === 1) progress.note(`${error.message} Trying again.`);
        },
      });
      progress.pause();
      const code = await showEnd(view, {
        cli,
        operations,
        context: { caller: CALLER, signal: interrupted },
        output: flags.json === true ? { end: cli.json } : createAnswer(cli.stdout, progress),
      });
      if (code === 0)
        for (const note of [standIn(view), roundabout(view)]) if (note !== undefined) progress.note(note);
      return code;
    } catch (error) {
      if (limit?.aborted !== true || interrupted.aborted) throw error;
      throw new CcliError(
        'wait_timeout',
        `The task ${task_id} is still not done after ${duration(flags.timeout ?? 0)}; wait again with \`ccli task wait ${task_id}\`.`,
      );
    } finally {
      progress.pause();
    }
  });
}

async function tail(cli: Cli, task_id: string, flags: CommonFlags): Promise<number> {
  return await watching(cli, task_id, flags, (client, signal) =>
    tailTask(cli, client, {
      task_id,
      json: flags.json === true,
      progress: flags.json === true ? silentProgress : cli.progress(flags),
      // Nobody is left to write to once the reader of stdout has gone.
      signal: AbortSignal.any([signal, cli.stdout.gone]),
    }),
  );
}

/** Ctrl-C ends the watching and leaves the task alone. */
async function watching(
  cli: Cli,
  task_id: string,
  flags: CommonFlags,
  work: (client: Client, interrupted: AbortSignal) => Promise<number>,
): Promise<number> {
  return await cli.withClient(flags, async client => {
    const interrupts = takeInterrupts(cli.io);
    try {
      return await work(client, interrupts.first);
    } catch (error) {
      if (!interrupts.first.aborted) throw withWayBack(error, task_id);
      // Whoever ends the process of a reader wants silence; at the keyboard it is worth saying what was not ended.
      if (interrupts.by !== 'SIGINT' && flags.json !== true) return ERRORS.cancelled.exit;
      throw new CcliError(
        'cancelled',
        `Stopped watching; the task ${task_id} goes on. \`ccli task cancel ${task_id}\` would end it.`,
      );
    } finally {
      interrupts.release();
    }
  });
}

async function cancel(cli: Cli, task_id: string, flags: CommonFlags): Promise<number> {
  return await cli.withClient(flags, async ({ operations }) => {
    const view = await operations.cancel({ task_id }, { caller: CALLER, signal: never() });
    if (flags.json === true) cli.json(view);
    else cli.stdout.line(cancelSentence(task_id, view.status, view.stop_confirmed));
    return 0;
  });
}

function cancelSentence(task_id: string, status: TaskStatus, confirmed: boolean | undefined): string {
  switch (status) {
    case 'cancelled':
      return confirmed === false
        ? `cancelled ${task_id}; its node has not confirmed that the attempt stopped`
        : `cancelled ${task_id}`;
    case 'completed':
    case 'failed':
      return `${task_id} had already ${status}`;
    case 'queued':
    case 'assigned':
    case 'running':
      return `cancelling ${task_id}: the cancel is stored and takes effect as soon as its node answers`;
  }
}
