import type { Command } from 'commander';
import { submitPrompt } from '../../stream/transfer.ts';
import type { Action } from '../action.ts';
import { CALLER, type Cli } from '../cli.ts';
import { takeInterrupts } from '../interrupts.ts';
import {
  type PromptFlags,
  quietOption,
  taskOptions,
  withFleetOptions,
  withPromptOptions,
} from '../options.ts';
import { readPrompt, withPromptArguments } from '../prompt.ts';
import { runPrompt } from '../run-prompt.ts';
import { newTaskId } from '../task-id.ts';

const PROMPT = 'the prompt; "-" or nothing reads stdin';
type Dash = true | undefined;

export function addRun(program: Command, action: Action): void {
  const run = withPromptArguments(
    program.command('run').description('run a prompt and print its answer'),
    PROMPT,
  ).addHelpText(
    'after',
    `
On a terminal the answer is printed as it comes; into a pipe, once it is final.
Ctrl-C cancels the task; a second one leaves at once.

Examples:
  ccli run "What is 2+2?"
  ccli run "Explain this stack trace" - < trace.txt
  ccli run --agent walnut-gemini --timeout 10m "Explain this fleet"
  cat report.txt | ccli run --specialty docs_writer - > summary.md
  ccli run --json "Hello" | jq -r .response`,
  );
  withFleetOptions(withPromptOptions(run)).addOption(quietOption()).action(action(runCommand));

  const submit = withPromptArguments(
    program.command('submit').description('hand in a prompt and print its task id'),
    PROMPT,
  ).addHelpText(
    'after',
    `
Once the id is printed the task is stored durably.

Examples:
  id=$(ccli submit "A long piece of work") && ccli task wait "$id"`,
  );
  withFleetOptions(withPromptOptions(submit)).action(action(submitCommand));
}

async function runCommand(
  cli: Cli,
  argument: string | undefined,
  dash: Dash,
  flags: PromptFlags,
): Promise<number> {
  const prompt = await readPrompt({ prompt: argument, appendStdin: dash === true }, cli.io.stdin);
  return await cli.withClient(flags, async client => {
    const interrupts = takeInterrupts(cli.io);
    try {
      return await runPrompt(cli, client, {
        prompt,
        options: taskOptions(flags),
        json: flags.json === true,
        progress: cli.progress(flags),
        interrupts,
      });
    } finally {
      interrupts.release();
    }
  });
}

async function submitCommand(
  cli: Cli,
  argument: string | undefined,
  dash: Dash,
  flags: PromptFlags,
): Promise<number> {
  const prompt = await readPrompt({ prompt: argument, appendStdin: dash === true }, cli.io.stdin);
  return await cli.withClient(flags, async ({ operations }) => {
    const submission = { task_id: newTaskId(), prompt, options: taskOptions(flags) };
    const view = await submitPrompt(operations, submission, {
      caller: CALLER,
      signal: new AbortController().signal,
    });
    if (flags.json === true) cli.json(view);
    else cli.stdout.line(view.task_id);
    return 0;
  });
}
